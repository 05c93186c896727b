// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes what the key exchange reads from a peer, once TLS has let it through, and what it reads from
 * certificates and key files. The first octet says which; the rest is the message or the text.
 */
#include <string.h>

#include "ctl/varpd/keyx_msg.h"
#include "fuzz.h"
#include "grant.h"
#include "psk.h"

static void on_request(const uint8_t *data, size_t len)
{
	uint8_t out[KEYX_REQUEST_LEN];
	struct keyx_request request;

	if (keyx_request_decode(data, len, &request))
		return;
	FUZZ_CHECK(len == KEYX_REQUEST_LEN);
	FUZZ_CHECK(varp_addr_is_zero(&request.vaddr) || varp_addr_is_unicast(&request.vaddr));
	keyx_request_encode(&request, out);
	/* Behind the vaddr is room for later versions. */
	FUZZ_CHECK(!memcmp(out, data, KEYX_HEAD_LEN + 32));
}

static void on_channel(const struct keyx_record *record)
{
	uint8_t out[KEYX_CHANNEL_LEN];
	struct keyx_channel channel;

	if (keyx_channel_decode(record->value, record->len, &channel))
		return;
	FUZZ_CHECK(record->len == KEYX_CHANNEL_LEN && channel.mode < VARP_CHANNEL_MODES);
	FUZZ_CHECK(channel.mode == VARP_CHANNEL_PLAIN || channel.begins_ms < channel.ends_ms);
	keyx_channel_encode(&channel, out);
	FUZZ_CHECK(!memcmp(out, record->value, 7) && !memcmp(out + 8, record->value + 8, sizeof(out) - 8));
}

static void on_answer(const uint8_t *data, size_t len)
{
	int stated = keyx_answer_length(data, len);
	struct keyx_record record;
	struct keyx_answer answer;
	size_t total = 0;

	FUZZ_CHECK(stated <= KEYX_ANSWER_MAX && (stated <= 0 || stated >= KEYX_ANSWER_LEN));
	if (keyx_answer_decode(data, len, &answer))
		return;
	FUZZ_CHECK(stated == (int)len && answer.records_len == len - KEYX_ANSWER_LEN);
	if (answer.status == KEYX_OK)
		FUZZ_CHECK(answer.session && answer.lifetime_s);
	while (keyx_record_next(&answer.records, &answer.records_len, &record)) {
		if (record.type == KEYX_CHANNEL)
			on_channel(&record);
		FUZZ_CHECK(record.value >= data && record.value + record.len <= data + len);
		total += KEYX_RECORD_HEAD + record.len;
	}
	FUZZ_CHECK(total == len - KEYX_ANSWER_LEN);
}

static void on_grant(const char *text)
{
	struct grant grant, again;
	char out[GRANT_TEXT];

	if (grant_parse(text, &grant))
		return;
	FUZZ_CHECK(grant.role < GRANT_ROLES && (!grant.bound || varp_addr_is_unicast(&grant.vaddr)));
	FUZZ_CHECK(!grant_parse(grant_format(&grant, out), &again));
	FUZZ_CHECK(again.role == grant.role && again.every == grant.every && again.bound == grant.bound);
	FUZZ_CHECK(varp_snid_equal(&again.snid, &grant.snid) && varp_addr_equal(&again.vaddr, &grant.vaddr));
}

static void on_text(const uint8_t *data, size_t len)
{
	char text[512], again[PSK_TEXT];
	uint8_t key[PSK_LEN];
	struct varp_snid snid;

	len = len < sizeof(text) ? len : sizeof(text) - 1;
	memcpy(text, data, len);
	text[len] = '\0';
	if (!psk_parse(text, key))
		FUZZ_CHECK(strlen(psk_format(key, again)) == PSK_TEXT - 1);
	psk_file_snid(text, &snid);
	on_grant(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(const uint8_t *data, size_t len) = { on_request, on_answer, on_text };

	if (size)
		kinds[data[0] % 3](data + 1, size - 1);
	return 0;
}
