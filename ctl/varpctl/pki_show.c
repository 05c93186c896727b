// SPDX-License-Identifier: BSD-2-Clause
/*
 * varpctl pki show: what a certificate permits, until when, and whether it was revoked; for one
 * file, or for all that the authority has issued.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pki.h"
#include "print.h"

static const char *state_of(X509 *cert, X509_CRL *crl)
{
	if (pki_is_revoked(crl, cert))
		return "revoked";
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return "expired";
	return X509_cmp_current_time(X509_get0_notBefore(cert)) > 0 ? "not yet valid" : "valid";
}

static json_t *permits_json(X509 *cert)
{
	struct grant grants[PKI_GRANTS_MAX];
	size_t count = grants_of(cert, grants, PKI_GRANTS_MAX, NULL);
	json_t *permits = json_array();
	char text[GRANT_TEXT];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(permits, json_string(grant_format(&grants[i], text)));
	return permits;
}

static json_t *cert_json(const char *name, X509 *cert, X509_CRL *crl)
{
	char date[PKI_DATE_LEN];

	return json_pack("{s:s, s:s, s:s, s:o}", "name", name, "state", state_of(cert, crl),
			 "until", pki_date(X509_get0_notAfter(cert), date), "permits",
			 permits_json(cert));
}

static void print_cert(const struct ctl *ctl, const json_t *cert)
{
	const char *state = ctl_text(cert, "state", "?");
	const json_t *permits = json_object_get(cert, "permits"), *permit;
	size_t index;

	ctl_paint(ctl, CTL_BOLD, -20, ctl_text(cert, "name", "?"));
	fputs("  ", stdout);
	ctl_paint(ctl, strcmp(state, "valid") ? CTL_RED : CTL_GREEN, 0, state);
	printf(", until %s\n", ctl_text(cert, "until", "?"));
	json_array_foreach(permits, index, permit)
		printf("    %s\n", json_string_value(permit));
	if (!json_array_size(permits))
		puts("    permits nothing");
}

static void show(const struct ctl *ctl, json_t *certs)
{
	const json_t *cert;
	size_t index;

	if (ctl->json)
		ctl_json(ctl, certs);
	else
		json_array_foreach(certs, index, cert)
			print_cert(ctl, cert);
	if (!ctl->json && !json_array_size(certs))
		puts("nothing was issued yet: `varpctl pki issue` does");
	json_decref(certs);
}

static enum control_status show_file(const struct ctl *ctl, const char *path, X509_CRL *crl)
{
	X509 *cert = NULL;
	enum control_status status = pki_read_cert(path, &cert);

	if (!status)
		show(ctl, json_pack("[o]", cert_json(path, cert, crl)));
	X509_free(cert);
	return status;
}

static enum control_status show_issued(const struct ctl *ctl, const char *dir, X509_CRL *crl)
{
	char issued[PATH_MAX], own[PATH_MAX], path[PATH_MAX];
	enum control_status status = CONTROL_OK;
	json_t *certs = json_array();
	struct dirent **entries = NULL;
	X509 *cert;
	int count;

	if (!pki_path(issued, dir, PKI_ISSUED))
		return CONTROL_USAGE;
	count = scandir(issued, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		cert = NULL;
		if (!status && entries[i]->d_name[0] != '.' &&
		    pki_path(own, issued, entries[i]->d_name) && pki_path(path, own, "host.crt") &&
		    !access(path, F_OK)) {
			status = pki_read_cert(path, &cert);
			if (cert)
				json_array_append_new(certs,
						      cert_json(entries[i]->d_name, cert, crl));
			X509_free(cert);
		}
		free(entries[i]);
	}
	free(entries);
	show(ctl, certs);
	return status;
}

enum control_status ctl_pki_show(struct ctl *ctl, char **words, unsigned int count)
{
	const char *file = NULL, *dir = PKI_CA_DIR;
	enum control_status status = CONTROL_OK;
	X509_CRL *crl = NULL;
	char path[PATH_MAX];

	if (count == 1 || count == 3)
		file = words[0];
	if (count >= 2) {
		if (strcmp(words[count - 2], "dir"))
			return ctl_usage(ctl, "unknown word '%s'", words[count - 2]);
		dir = words[count - 1];
	}
	if (!pki_path(path, dir, "ca.crt"))
		return CONTROL_USAGE;
	if (!file && access(path, F_OK))
		return ctl_fail(CONTROL_FAILED,
				"there is no authority in %s: `varpctl pki init` makes "
				"one, dir DIR names another place",
				dir);
	if (pki_path(path, dir, "revoked.crl") && !access(path, F_OK))
		status = pki_read_crl(path, &crl);
	if (!status)
		status = file ? show_file(ctl, file, crl) : show_issued(ctl, dir, crl);
	X509_CRL_free(crl);
	return status;
}
