// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads the directory of credentials. Called by credentials.c at start and when something changed.
 * A private key that others may read is refused rather than used.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "credentials_internal.h"
#include "helper.h"
#include "log.h"

#define PSKS_MAX	4096

static const char *const cert_files[] = { "ca.crt", "host.crt", "host.key", "revoked.crl" };

/* --- Has anything changed? --- */

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *octets = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ octets[i]) * 0x100000001b3ull;	/* FNV-1a: no adversary here */
	return hash;
}

static uint64_t look_at(uint64_t hash, const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    stat(path, &st))
		return mix(hash, "-", 1);
	hash = mix(hash, name, strlen(name));
	hash = mix(hash, &st.st_ino, sizeof(st.st_ino));
	hash = mix(hash, &st.st_size, sizeof(st.st_size));
	hash = mix(hash, &st.st_mode, sizeof(st.st_mode));
	hash = mix(hash, &st.st_ctim.tv_sec, sizeof(st.st_ctim.tv_sec));
	return mix(hash, &st.st_ctim.tv_nsec, sizeof(st.st_ctim.tv_nsec));
}

static bool is_psk(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(PSK_SUFFIX);

	return len > suffix && !strcmp(entry->d_name + len - suffix, PSK_SUFFIX);
}

uint64_t credentials_look(const char *dir)
{
	uint64_t hash = 0xcbf29ce484222325ull, psks = 0;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *stream;

	for (size_t i = 0; i < sizeof(cert_files) / sizeof(cert_files[0]); i++)
		hash = look_at(hash, dir, cert_files[i]);
	if (snprintf(path, sizeof(path), "%s/" PSK_DIR, dir) >= (int)sizeof(path))
		return hash;
	stream = opendir(path);
	if (!stream)
		return hash;
	/* A sum: a directory's order means nothing. */
	while ((entry = readdir(stream)))
		if (is_psk(entry))
			psks += look_at(hash, path, entry->d_name);
	closedir(stream);
	return mix(hash, &psks, sizeof(psks));
}

int credentials_reach(const char *dir, struct varpd_error *problem)
{
	/* Files that are closed the helper process opens; directories have to be entered. */
	static const struct {
		const char *name;
		int mode;
	} dirs[] = { { ".", X_OK }, { PSK_DIR "/.", R_OK | X_OK } };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, dirs[i].name) >= (int)sizeof(path) ||
		    !access(path, dirs[i].mode) || errno != EACCES)
			continue;
		path[strlen(path) - 2 * !!i] = '\0';
		return varpd_fail(problem, -EACCES,
				  "%s cannot be read by varpd's user, so changes there are not "
				  "seen: `chgrp -R GROUP %s; chmod -R g+rX,o= %s` with that user's "
				  "group, without a ca.key in it", i ? path : dir, dir, dir);
	}
	return 0;
}

/* The daemon's user may not be permitted what root has made since. A descriptor or -errno. */
static int open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EACCES && helper_runs())
		return helper_open_file(path);
	return fd < 0 ? -errno : fd;
}

/* --- Pre-shared keys --- */

static void refuse_psk(struct varpd_error *problem, const char *path, int err)
{
	if (err == -EPERM)
		varpd_fail(problem, 0,
			   "%s is not used: it is not this daemon's alone; see that its owner is "
			   "root or varpd, its group too, and `chmod o= %s`", path, path);
	else if (err == -EINVAL)
		varpd_fail(problem, 0, "%s is not used: it does not hold 64 hex digits", path);
	else if (err == -EKEYREJECTED)
		varpd_fail(problem, 0, "%s is not used: " PSK_REJECTED "; `varpctl psk new` on its "
			   "server makes one", path);
	else
		varpd_fail(problem, 0, "%s is not used: %s", path, strerror(-err));
	varpd_log(VARPD_LOG_ERROR, "%s", problem->text);
}

static void read_psk(struct credentials_psk **psks, const char *dir, const char *name,
		     struct varpd_error *problem)
{
	struct credentials_psk *psk = calloc(1, sizeof(*psk));
	char path[PATH_MAX];
	int err = psk ? 0 : -ENOMEM, fd;

	snprintf(path, sizeof(path), "%s/" PSK_DIR "/%.*s", dir, NAME_MAX, name);
	if (!err && psk_file_snid(name, &psk->snid)) {
		varpd_fail(problem, 0, "%s is not used: its name is not a SnId of 20 digits and "
			   PSK_SUFFIX, path);
		varpd_log(VARPD_LOG_ERROR, "%s", problem->text);
		free(psk);
		return;
	}
	fd = err ? err : open_path(path);
	if (fd >= 0) {
		err = psk_read(fd, psk->key);
		close(fd);
	} else {
		err = fd;
	}
	if (err) {
		refuse_psk(problem, path, err);
		free(psk);
		return;
	}
	HASH_ADD(hh, *psks, snid, sizeof(psk->snid), psk);
}

struct credentials_psk *credentials_read_psks(const char *dir, struct varpd_error *problem)
{
	struct credentials_psk *psks = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *stream;

	if (snprintf(path, sizeof(path), "%s/" PSK_DIR, dir) >= (int)sizeof(path) - NAME_MAX)
		return NULL;
	stream = opendir(path);
	if (!stream && errno != ENOENT && errno != ENOTDIR) {
		varpd_fail(problem, 0, "cannot read %s: %s", path, strerror(errno));
		varpd_log(VARPD_LOG_ERROR, "%s", problem->text);
	}
	while (stream && (entry = readdir(stream)) && HASH_COUNT(psks) < PSKS_MAX)
		if (is_psk(entry))
			read_psk(&psks, dir, entry->d_name, problem);
	if (stream)
		closedir(stream);
	return psks;
}

void credentials_free_psks(struct credentials_psk *psks)
{
	struct credentials_psk *psk, *next;

	HASH_ITER(hh, psks, psk, next) {
		HASH_DEL(psks, psk);
		OPENSSL_cleanse(psk->key, sizeof(psk->key));
		free(psk);
	}
}

/* --- Certificates --- */

/* No password can be typed here. */
static int no_password(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return 0;
}

/* NULL with errno. secret: nobody else may read it. */
static BIO *open_file(const char *dir, const char *name, bool secret)
{
	char path[PATH_MAX];
	FILE *file;
	int fd, err;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = open_path(path);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	err = secret ? psk_check_mode(fd) : 0;
	file = err ? NULL : fdopen(fd, "r");
	if (file)
		return BIO_new_fp(file, BIO_CLOSE);
	close(fd);
	errno = err ? -err : ENOMEM;
	return NULL;
}

static int read_list(const char *dir, const char *name, STACK_OF(X509) *out)
{
	BIO *bio = open_file(dir, name, false);
	X509 *cert;

	if (!bio)
		return -errno;
	while (sk_X509_num(out) < CREDENTIALS_FILE_MAX &&
	       (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)))
		sk_X509_push(out, cert);
	BIO_free(bio);
	ERR_clear_error();	/* the end of the file is reported as an error */
	return sk_X509_num(out) ? 0 : -EINVAL;
}

static int read_crls(const char *dir, STACK_OF(X509_CRL) *out)
{
	BIO *bio = open_file(dir, "revoked.crl", false);
	X509_CRL *crl;

	if (!bio)
		return errno == ENOENT ? 0 : -errno;
	while (sk_X509_CRL_num(out) < CREDENTIALS_FILE_MAX &&
	       (crl = PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL)))
		sk_X509_CRL_push(out, crl);
	BIO_free(bio);
	ERR_clear_error();
	return sk_X509_CRL_num(out) ? 0 : -EINVAL;
}

static int read_key(const char *dir, struct credentials_certs *certs)
{
	BIO *bio = open_file(dir, "host.key", true);

	if (!bio)
		return -errno;
	certs->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return certs->key ? 0 : -EINVAL;
}

static int fail_file(struct varpd_error *problem, const char *dir, const char *name, int err)
{
	if (err == -EPERM)
		return varpd_fail(problem, err,
				  "%s/%s is not used: it is not this daemon's alone; see that its "
				  "owner is root or varpd, its group too, and `chmod o= %s/%s`",
				  dir, name, dir, name);
	if (err == -EINVAL)
		return varpd_fail(problem, err, "%s/%s is not used: there is nothing in it that "
				  "can be read as PEM without a password", dir, name);
	if (err == -ENOENT)
		return varpd_fail(problem, err, "%s/%s is missing: ca.crt, host.crt and host.key "
				  "are needed together; `varpctl pki issue` makes them", dir, name);
	return varpd_fail(problem, err, "%s/%s cannot be read: %s", dir, name, strerror(-err));
}

static bool hash_all(struct credentials_certs *certs)
{
	bool good = true;

	for (int i = 0; good && i < sk_X509_num(certs->anchors); i++)
		good = credentials_hash_cert(sk_X509_value(certs->anchors, i),
					     certs->anchor_hash[i]);
	for (int i = 0; good && i < sk_X509_CRL_num(certs->crls); i++)
		good = credentials_hash_name(
			X509_CRL_get_issuer(sk_X509_CRL_value(certs->crls, i)),
			certs->issuer_hash[i]);
	return good;
}

static int read_all(const char *dir, struct credentials_certs *certs, struct varpd_error *problem)
{
	int err = read_list(dir, "ca.crt", certs->anchors);

	if (err)
		return fail_file(problem, dir, "ca.crt", err);
	err = read_list(dir, "host.crt", certs->chain);
	if (err)
		return fail_file(problem, dir, "host.crt", err);
	certs->host = sk_X509_shift(certs->chain);
	certs->not_after = credentials_seconds(X509_get0_notAfter(certs->host));
	err = read_key(dir, certs);
	if (err)
		return fail_file(problem, dir, "host.key", err);
	if (!X509_check_private_key(certs->host, certs->key)) {
		ERR_clear_error();
		return varpd_fail(problem, -EINVAL, "%s/host.key is not the key of host.crt: copy "
				  "both of one certificate", dir);
	}
	err = read_crls(dir, certs->crls);
	if (err)
		return fail_file(problem, dir, "revoked.crl", err);
	return hash_all(certs) ? 0 : varpd_fail(problem, -ENOMEM, "out of memory");
}

/* A directory in which an authority keeps its own files, but no host's, has no certificates for us.
 */
static bool is_there(const char *dir)
{
	char path[PATH_MAX];

	for (size_t i = 1; i < 3; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, cert_files[i]) < (int)sizeof(path) &&
		    !access(path, F_OK))
			return true;
	return false;
}

int credentials_read_certs(const char *dir, struct credentials_certs **out,
			   struct varpd_error *problem)
{
	struct credentials_certs *certs;
	int err;

	*out = NULL;
	if (!is_there(dir))
		return 0;
	certs = calloc(1, sizeof(*certs));
	if (!certs)
		return varpd_fail(problem, -ENOMEM, "out of memory");
	certs->chain = sk_X509_new_null();
	certs->anchors = sk_X509_new_null();
	certs->crls = sk_X509_CRL_new_null();
	err = certs->chain && certs->anchors && certs->crls
		      ? read_all(dir, certs, problem)
		      : varpd_fail(problem, -ENOMEM, "out of memory");
	if (err)
		credentials_free_certs(certs);
	else
		*out = certs;
	return err;
}

void credentials_free_certs(struct credentials_certs *certs)
{
	if (!certs)
		return;
	X509_free(certs->host);
	EVP_PKEY_free(certs->key);
	sk_X509_pop_free(certs->chain, X509_free);
	sk_X509_pop_free(certs->anchors, X509_free);
	sk_X509_CRL_pop_free(certs->crls, X509_CRL_free);
	free(certs);
}
