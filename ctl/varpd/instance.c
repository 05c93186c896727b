// SPDX-License-Identifier: BSD-2-Clause
/*
 * See instance.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "helper.h"
#include "instance.h"

#define PID_FILE	"varpd.pid"
#define TRIES		20
#define PAUSE_US	50000

int instance_enter_netns(const char *netns, struct varpd_error *error)
{
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : "/run/netns/", netns);
	/* A FIFO would be waited for. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? varpd_fail(error, -ENOENT,
						    "there is no network namespace %s; make it "
						    "with 'ip netns add'",
						    netns)
				       : varpd_fail(error, -errno,
						    "cannot open the network namespace %s: %s",
						    path, strerror(errno));
	if (setns(fd, CLONE_NEWNET)) {
		err = errno;
		if (err == EPERM)
			varpd_fail(error, -err,
				   "not permitted to enter the network namespace %s; run as root",
				   netns);
		else
			varpd_fail(error, -err, "cannot enter %s: %s", path,
				   err == EINVAL ? "it is no network namespace" : strerror(err));
	}
	close(fd);
	return -err;
}

static int make_dir(const char *path, struct varpd_error *error)
{
	if (!mkdir(path, 0755) || errno == EEXIST)
		return 0;
	return varpd_fail(error, -errno, "cannot make the directory %s: %s%s", path,
			  strerror(errno),
			  errno == EACCES || errno == EPERM ? "; run as root" : "");
}

static int make_dirs(const char *instance, struct varpd_error *error)
{
	char path[128];
	int err = make_dir(CONTROL_RUN_DIR, error);

	snprintf(path, sizeof(path), "%s/%s", CONTROL_RUN_DIR, instance);
	return err ? err : make_dir(path, error);
}

static int refuse_second(const char *instance, int fd, struct varpd_error *error)
{
	char pid[24] = "";
	ssize_t len = read(fd, pid, sizeof(pid) - 1);

	pid[len > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return varpd_fail(error, -EBUSY,
			  "instance %s runs already%s%s; stop it, or choose another name with -i",
			  instance, *pid ? ", pid " : "", pid);
}

/* Is the file that we have locked still the one of this name? One that ended a moment ago has
 * removed it. */
static bool is_current(int fd, const char *path)
{
	struct stat ours, named;

	return !fstat(fd, &ours) && !lstat(path, &named) && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

/*
 * The directory is varpd's user's, and we may be root: nothing is written to by another's name.
 * A descriptor or -errno.
 */
static int open_pid_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink <= 1)
		return fd;
	close(fd);
	return -ELOOP;
}

int instance_lock(const char *instance, int *lock, struct varpd_error *error)
{
	char path[128], pid[24];
	int fd, len, err;

	snprintf(path, sizeof(path), "%s/%s/%s", CONTROL_RUN_DIR, instance, PID_FILE);
	/*
	 * One that was killed a moment ago may still hold the lock while the kernel takes it apart.
	 */
	for (int tries = 0; ; tries++) {
		if (tries)
			usleep(PAUSE_US);
		err = make_dirs(instance, error);
		if (err)
			return err;
		fd = open_pid_file(path);
		if (fd == -ENOENT && tries < TRIES)
			continue;
		if (fd == -ELOOP)
			return varpd_fail(error, fd, "%s is a link, or no file: it is not varpd's; "
					  "see who put it there, and remove it", path);
		if (fd < 0)
			return varpd_fail(error, fd, "cannot open %s: %s%s", path, strerror(-fd),
					  fd == -EACCES ? "; run as root" : "");
		err = flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
		if (!err && is_current(fd, path))
			break;
		if (err == EWOULDBLOCK && tries == TRIES)
			refuse_second(instance, fd, error);
		close(fd);
		if (err == EWOULDBLOCK && tries == TRIES)
			return -EBUSY;
		if ((err && err != EWOULDBLOCK) || tries == TRIES)
			return varpd_fail(error, -EIO, "cannot lock %s: %s", path, strerror(err));
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, len, 0) != len) {
		err = errno;
		close(fd);
		return varpd_fail(error, -err, "cannot write %s: %s", path, strerror(err));
	}
	*lock = fd;
	return 0;
}

void instance_remove_dirs(const char *instance)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", CONTROL_RUN_DIR, instance);
	rmdir(path);
	rmdir(CONTROL_RUN_DIR);	/* unless other instances are there */
}

void instance_unlock(const char *instance, int lock)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", CONTROL_RUN_DIR, instance, PID_FILE);
	unlink(path);
	if (!helper_runs() || helper_remove_run_dir())
		instance_remove_dirs(instance);
	close(lock);
}

int instance_bind(const char *path, mode_t mode, struct varpd_error *error)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	mode_t mask;

	if (fd < 0)
		return varpd_fail(error, -errno, "cannot open a unix socket: %s", strerror(errno));
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	unlink(path);
	mask = umask(~mode & 0777);
	err = bind(fd, (struct sockaddr *)&name, sizeof(name)) ? errno : 0;
	umask(mask);
	if (!err)
		return fd;
	close(fd);
	return varpd_fail(error, -err, "cannot make %s: %s", path, strerror(err));
}

void instance_raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
