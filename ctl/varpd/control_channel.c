// SPDX-License-Identifier: BSD-2-Clause
/*
 * channel_set and channel_show. Secrets come in and never go out; they are taken out of the request
 * before that is written to the audit log.
 */
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "channels.h"
#include "control_internal.h"
#include "psk.h"

static bool arg_mode(struct control_args *args, uint32_t *mode, struct varpd_error *error)
{
	const char *text = control_arg_text(args, "mode", CONTROL_REQUIRED, 8);

	if (args->bad)
		return false;
	for (*mode = 0; *mode < VARP_CHANNEL_MODES; ++*mode)
		if (!strcmp(text, channels_mode_name(*mode)))
			return true;
	varpd_fail(error, -EINVAL, "'%s' is not plain, auth or aead", text);
	return false;
}

static int set(struct control_conn *conn, struct control_args *args, const uint8_t *secret,
	       struct varpd_error *error)
{
	json_int_t rotate_s = CHANNELS_ROTATE_S;
	struct varp_combo combo = { 0 };
	uint32_t mode;

	control_arg_snid(args, CONTROL_REQUIRED, &combo.snid);
	control_arg_chid(args, "channel", &combo.chid);
	control_arg_int(args, "rotate_s", CONTROL_OPTIONAL, CHANNELS_ROTATE_MIN_S,
			CHANNELS_ROTATE_MAX_S, &rotate_s);
	if (args->bad || !arg_mode(args, &mode, error))
		return CONTROL_FAILED;
	if (mode != VARP_CHANNEL_PLAIN && !secret) {
		varpd_fail(error, -EINVAL, "a keyed channel needs a key: 64 hex digits");
		return CONTROL_FAILED;
	}
	return control_status_of(channels_set(conn->varpd->channels, &combo, mode, secret,
					      (uint32_t)rotate_s, error));
}

int control_do_channel_set(struct control_conn *conn, struct control_args *args, json_t **result,
			   struct varpd_error *error)
{
	const char *text = control_arg_text(args, "key", CONTROL_OPTIONAL, PSK_TEXT - 1);
	uint8_t secret[PSK_LEN] = { 0 };
	int wrong = text ? psk_parse(text, secret) : 0, status = CONTROL_FAILED;

	(void)result;
	json_object_del(args->json, "key");
	if (wrong && !args->bad)
		varpd_fail(error, wrong, wrong == -EKEYREJECTED ? PSK_REJECTED
								: "the key is not 64 hex digits");
	else if (!args->bad)
		status = set(conn, args, text ? secret : NULL, error);
	explicit_bzero(secret, sizeof(secret));
	return status;
}

struct listing {
	struct control_conn *conn;
	const struct varp_snid *snid;
	json_t *array;
};

/* What packets are sealed with now, and until when. */
static void show(const struct varp_combo *combo, const struct varp_channel *channel, void *ctx)
{
	uint64_t now_ns = varpd_now_ns(), next_ns = UINT64_MAX, ends_ns = now_ns;
	const struct varp_epoch *current = NULL;
	struct listing *listing = ctx;

	if ((listing->snid && !varp_snid_equal(&combo->snid, listing->snid)) ||
	    !control_sees(listing->conn, &combo->snid))
		return;
	for (unsigned int i = 0; i < VARP_EPOCHS; i++) {
		const struct varp_epoch *e = &channel->epochs[i];

		if (e->send_ns > now_ns && e->send_ns < next_ns && e->ends_ns)
			next_ns = e->send_ns;
		if (e->send_ns <= now_ns && e->ends_ns > now_ns &&
		    (!current || e->send_ns > current->send_ns))
			current = e;
		if (e->ends_ns > ends_ns)
			ends_ns = e->ends_ns;
	}
	json_array_append_new(
		listing->array,
		json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:I, s:i}",
			  "snid", control_json_snid(&combo->snid),
			  "chid", control_json_chid(&combo->chid),
			  "mode", channels_mode_name(channel->mode),
			  "keys", channel->rotate_s ? "secret" : "server",
			  "epoch", current ? json_integer(current->epoch) : json_null(),
			  "next_s", next_ns == UINT64_MAX ? json_null() :
				    json_integer((next_ns - now_ns) / VARPD_NS_PER_S),
			  "until_s", (json_int_t)((ends_ns - now_ns) / VARPD_NS_PER_S),
			  "rotate_s", (int)channel->rotate_s));
}

int control_do_channel_show(struct control_conn *conn, struct control_args *args, json_t **result,
			    struct varpd_error *error)
{
	struct listing listing = { .conn = conn };
	struct varp_snid snid;

	(void)error;
	if (control_arg_snid(args, CONTROL_OPTIONAL, &snid))
		listing.snid = &snid;
	if (args->bad)
		return CONTROL_FAILED;
	listing.array = json_array();
	datapath_each_channel(conn->varpd->datapath, show, &listing);
	*result = listing.array;
	return CONTROL_OK;
}
