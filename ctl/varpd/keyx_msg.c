// SPDX-License-Identifier: BSD-2-Clause
/*
 * See keyx_msg.h. What a peer sends is not believed to have any length or value before it was
 * looked at, although TLS has authenticated it.
 */
#include <errno.h>
#include <string.h>

#include "buf.h"
#include "keyx_msg.h"

#define MAGIC		0x564b4559u	/* "VKEY" */
#define TIME_MAX_MS	(365ll * 86400 * 1000)
#define REQUEST_ROOM	24		/* reserved at the end of a request */

static void put_zeros(struct varp_writer *w, size_t len)
{
	static const uint8_t zeros[REQUEST_ROOM];

	varp_put(w, zeros, len);
}

static bool get_zeros(struct varp_reader *r, size_t len)
{
	uint8_t octets[REQUEST_ROOM], any = 0;

	varp_get(r, octets, len);
	for (size_t i = 0; i < len; i++)
		any |= octets[i];
	return !any;
}

static void put_head(struct varp_writer *w, enum keyx_type type, uint16_t len)
{
	varp_put_u32(w, MAGIC);
	varp_put_u8(w, KEYX_VERSION);
	varp_put_u8(w, type);
	varp_put_u16(w, len);
}

/* The length that a message states; -EINVAL: it is none of this type. */
static int get_head(struct varp_reader *r, enum keyx_type type)
{
	uint32_t magic = varp_get_u32(r);
	uint8_t version = varp_get_u8(r), got = varp_get_u8(r);
	uint16_t len = varp_get_u16(r);

	return r->error || magic != MAGIC || version != KEYX_VERSION || got != type ? -EINVAL : len;
}

void keyx_request_encode(const struct keyx_request *request, uint8_t out[KEYX_REQUEST_LEN])
{
	struct varp_writer w = varp_writer_init(out, KEYX_REQUEST_LEN);

	put_head(&w, KEYX_REQUEST, KEYX_REQUEST_LEN);
	varp_put(&w, &request->snid, sizeof(request->snid));
	put_zeros(&w, 6);
	varp_put(&w, &request->vaddr, sizeof(request->vaddr));
	put_zeros(&w, REQUEST_ROOM);
}

int keyx_request_decode(const uint8_t *data, size_t len, struct keyx_request *request)
{
	struct varp_reader r = varp_reader_init(data, len);
	bool zeros;

	if (len != KEYX_REQUEST_LEN || get_head(&r, KEYX_REQUEST) != KEYX_REQUEST_LEN)
		return -EINVAL;
	varp_get(&r, &request->snid, sizeof(request->snid));
	zeros = get_zeros(&r, 6);
	varp_get(&r, &request->vaddr, sizeof(request->vaddr));
	/* The rest is room for what a later version says besides; a server of today ignores it. */
	if (r.error || !zeros)
		return -EINVAL;
	return varp_addr_is_zero(&request->vaddr) || varp_addr_is_unicast(&request->vaddr) ? 0
											 : -EINVAL;
}

int keyx_answer_encode(const struct keyx_answer *answer, uint8_t *out, size_t room)
{
	size_t len = KEYX_ANSWER_LEN + answer->records_len;
	struct varp_writer w = varp_writer_init(out, room);

	if (len > KEYX_ANSWER_MAX)
		return -EMSGSIZE;
	put_head(&w, KEYX_ANSWER, len);
	varp_put_u16(&w, answer->status);
	put_zeros(&w, 2);
	varp_put_u32(&w, answer->lifetime_s);
	varp_put_u64(&w, answer->session);
	put_zeros(&w, 24);
	varp_put(&w, &answer->client, sizeof(answer->client));
	varp_put(&w, &answer->server, sizeof(answer->server));
	if (answer->records_len)
		varp_put(&w, answer->records, answer->records_len);
	return w.error ? -EMSGSIZE : (int)len;
}

int keyx_answer_length(const uint8_t *data, size_t len)
{
	struct varp_reader r = varp_reader_init(data, len);
	int stated;

	if (len < KEYX_HEAD_LEN)
		return 0;
	stated = get_head(&r, KEYX_ANSWER);
	return stated < KEYX_ANSWER_LEN || stated > KEYX_ANSWER_MAX ? -EINVAL : stated;
}

/* Each record lies within the message, and nothing is left behind the last one. */
static bool records_fit(const struct keyx_answer *answer)
{
	const uint8_t *records = answer->records;
	size_t len = answer->records_len;
	struct keyx_record record;

	while (keyx_record_next(&records, &len, &record))
		;
	return !len;
}

int keyx_answer_decode(const uint8_t *data, size_t len, struct keyx_answer *answer)
{
	struct varp_reader r = varp_reader_init(data, len);

	if (keyx_answer_length(data, len) != (int)len)
		return -EINVAL;
	get_head(&r, KEYX_ANSWER);
	answer->status = varp_get_u16(&r);
	varp_get_u16(&r);
	answer->lifetime_s = varp_get_u32(&r);
	answer->session = varp_get_u64(&r);
	get_zeros(&r, 24);
	varp_get(&r, &answer->client, sizeof(answer->client));
	varp_get(&r, &answer->server, sizeof(answer->server));
	answer->records = r.data;
	answer->records_len = r.left;
	if (r.error || !records_fit(answer))
		return -EINVAL;
	if (answer->status == KEYX_OK && (!answer->session || !answer->lifetime_s))
		return -EINVAL;
	return 0;
}

int keyx_record_put(uint8_t *out, size_t room, uint16_t type, const void *value, uint16_t len)
{
	struct varp_writer w = varp_writer_init(out, room);

	varp_put_u16(&w, type);
	varp_put_u16(&w, len);
	varp_put(&w, value, len);
	return w.error ? -EMSGSIZE : KEYX_RECORD_HEAD + len;
}

bool keyx_record_next(const uint8_t **records, size_t *len, struct keyx_record *record)
{
	struct varp_reader r = varp_reader_init(*records, *len);

	record->type = varp_get_u16(&r);
	record->len = varp_get_u16(&r);
	if (r.error || record->len > r.left)
		return false;
	record->value = r.data;
	*records = r.data + record->len;
	*len = r.left - record->len;
	return true;
}

void keyx_channel_encode(const struct keyx_channel *channel, uint8_t out[KEYX_CHANNEL_LEN])
{
	struct varp_writer w = varp_writer_init(out, KEYX_CHANNEL_LEN);

	varp_put(&w, &channel->chid, sizeof(channel->chid));
	varp_put_u8(&w, channel->mode);
	varp_put_u8(&w, 0);
	varp_put_u32(&w, channel->epoch);
	varp_put_u32(&w, channel->again_ms);
	varp_put_u64(&w, (uint64_t)channel->begins_ms);
	varp_put_u64(&w, (uint64_t)channel->ends_ms);
	varp_put(&w, channel->key, sizeof(channel->key));
}

/* Times are bounded so that nobody has to fear an overflow who adds them to a clock. */
static bool is_near(int64_t ms)
{
	return ms >= -TIME_MAX_MS && ms <= TIME_MAX_MS;
}

int keyx_channel_decode(const uint8_t *value, size_t len, struct keyx_channel *channel)
{
	struct varp_reader r = varp_reader_init(value, len);

	varp_get(&r, &channel->chid, sizeof(channel->chid));
	channel->mode = varp_get_u8(&r);
	varp_get_u8(&r);
	channel->epoch = varp_get_u32(&r);
	channel->again_ms = varp_get_u32(&r);
	channel->begins_ms = (int64_t)varp_get_u64(&r);
	channel->ends_ms = (int64_t)varp_get_u64(&r);
	varp_get(&r, channel->key, sizeof(channel->key));
	if (r.error || r.left || channel->mode >= VARP_CHANNEL_MODES || !channel->again_ms)
		return -EINVAL;
	if (channel->mode == VARP_CHANNEL_PLAIN)
		return 0;
	return is_near(channel->begins_ms) && is_near(channel->ends_ms) &&
			       channel->begins_ms < channel->ends_ms
		       ? 0
		       : -EINVAL;
}
