// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files of certificates and keys: whole or not at all, with the right permissions from their first
 * moment, and never in place of another that nobody meant to give up. See pki.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pki.h"

#define GROUP	"varp"		/* of varpd's user */

bool pki_path(char out[PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return true;
	ctl_fail(CONTROL_USAGE, "the path of %s is too long", name);
	return false;
}

enum control_status pki_make_dir(const char *path)
{
	char part[PATH_MAX];

	if (!*path || snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return ctl_fail(CONTROL_USAGE, "'%s' cannot be a directory", path);
	for (char *at = part + 1; at; ) {
		at = strchr(at, '/');
		if (at)
			*at = '\0';
		if (*part && mkdir(part, 0755) && errno != EEXIST)
			return ctl_fail(ctl_status_of(errno), "cannot make directory %s: %s", part,
					strerror(errno));
		if (at)
			*at++ = '/';
	}
	return CONTROL_OK;
}

static enum control_status fail_there(const char *path)
{
	return ctl_fail(CONTROL_FAILED, "%s is there already: --force replaces it", path);
}

enum control_status pki_check_free(const char *path, bool force)
{
	struct stat st;

	if (force)
		return CONTROL_OK;
	if (!lstat(path, &st))
		return fail_there(path);
	return errno == ENOENT || errno == ENOTDIR
		       ? CONTROL_OK
		       : ctl_fail(ctl_status_of(errno), "cannot look at %s: %s", path, strerror(errno));
}

/* A host's secret is the daemon's to read, by its group where there is one. */
static int set_owner(int fd, enum pki_secrecy secrecy)
{
	const struct group *group = secrecy == PKI_HOST_SECRET ? getgrnam(GROUP) : NULL;

	if (group && !geteuid() && fchown(fd, -1, group->gr_gid))
		return -errno;
	return fchmod(fd, secrecy == PKI_PUBLIC ? 0644 : group ? 0640 : 0600) ? -errno : 0;
}

static int fill(int fd, const char *data, size_t len, enum pki_secrecy secrecy)
{
	int err = set_owner(fd, secrecy);

	while (!err && len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

static void sync_dir(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	strcpy(slash ? slash + 1 : dir, ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

enum control_status pki_write(const char *path, const void *data, size_t len,
			      enum pki_secrecy secrecy, bool force)
{
	char temporary[PATH_MAX + 16];
	mode_t mask = umask(077);
	int fd, err;

	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	umask(mask);
	if (fd < 0)
		return ctl_fail(ctl_status_of(errno), "cannot write %s: %s", path,
				strerror(errno));
	err = fill(fd, data, len, secrecy);
	close(fd);
	/* link(2), unlike rename(2), does not replace. */
	if (!err && (force ? rename(temporary, path) : link(temporary, path)))
		err = -errno;
	if (err || !force)
		unlink(temporary);
	if (err == -EEXIST)
		return fail_there(path);
	if (err)
		return ctl_fail(ctl_status_of(-err), "cannot write %s: %s", path, strerror(-err));
	sync_dir(path);
	return CONTROL_OK;
}

enum control_status pki_write_bio(const char *path, BIO *bio, enum pki_secrecy secrecy, bool force)
{
	enum control_status status;
	char *data;
	long len = bio ? BIO_get_mem_data(bio, &data) : 0;

	if (len > 0)
		status = pki_write(path, data, len, secrecy, force);
	else
		status = ctl_fail(CONTROL_FAILED, "cannot write %s: OpenSSL made nothing", path);
	BIO_free(bio);
	return status;
}

static enum control_status open_file(const char *path, BIO **bio)
{
	*bio = BIO_new_file(path, "r");
	return *bio ? CONTROL_OK
		    : ctl_fail(ctl_status_of(errno), "cannot read %s: %s", path, strerror(errno));
}

static enum control_status check(const char *path, const void *object, const char *what)
{
	return object ? CONTROL_OK
		      : ctl_fail(CONTROL_FAILED, "%s does not hold %s in PEM", path, what);
}

enum control_status pki_read_cert(const char *path, X509 **out)
{
	BIO *bio;
	enum control_status status = open_file(path, &bio);

	if (status)
		return status;
	*out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return check(path, *out, "a certificate");
}

enum control_status pki_read_key(const char *path, EVP_PKEY **out)
{
	BIO *bio;
	enum control_status status = open_file(path, &bio);

	if (status)
		return status;
	*out = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return check(path, *out, "a private key");
}

enum control_status pki_read_crl(const char *path, X509_CRL **out)
{
	BIO *bio;
	enum control_status status = open_file(path, &bio);

	if (status)
		return status;
	*out = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return check(path, *out, "a list of revoked certificates");
}

enum control_status pki_write_cert(const char *dir, const char *name, X509 *cert, bool force)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char path[PATH_MAX];

	if (!pki_path(path, dir, name)) {
		BIO_free(bio);
		return CONTROL_USAGE;
	}
	if (bio)
		PEM_write_bio_X509(bio, cert);
	return pki_write_bio(path, bio, PKI_PUBLIC, force);
}

enum control_status pki_write_key(const char *dir, const char *name, EVP_PKEY *key,
				  enum pki_secrecy secrecy, bool force)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char path[PATH_MAX];

	if (!pki_path(path, dir, name)) {
		BIO_free(bio);
		return CONTROL_USAGE;
	}
	if (bio)
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	return pki_write_bio(path, bio, secrecy, force);
}

enum control_status pki_write_crl(const char *dir, X509_CRL *crl, bool force)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char path[PATH_MAX];

	if (!pki_path(path, dir, "revoked.crl")) {
		BIO_free(bio);
		return CONTROL_USAGE;
	}
	if (bio)
		PEM_write_bio_X509_CRL(bio, crl);
	return pki_write_bio(path, bio, PKI_PUBLIC, force);
}
