// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random datagrams of random length to each of a host's UDP ports in turn; a third of those that are long enough begin
 * like a VARP message or like Geneve with our option, so that they get further.
 *
 *   garbage TO FROM COUNT PPS SEED PORT...
 *
 * Called by tests/attack/test_garbage_flood.sh.
 */
#include "attack.h"

#define LEN_MAX	400

static void begin_like_ours(uint8_t *data, size_t len)
{
	struct varp_geneve geneve = { .flags = VARP_GENEVE_F_CRITICAL, .proto = htons(0x0800) };
	struct varp_geneve_opt option = { .opt_class = htons(VARP_GENEVE_OPT_CLASS),
					  .type = (uint8_t)(VARP_GENEVE_OPT_TYPE + random_below(2)),
					  .snid.b[9] = 0x10 };
	static const uint8_t varp[] = { VARP_VERSION, 0, 0, VARP_MSG_LEN, 0, 128, 0, 0 };

	if (random_below(2) && len >= sizeof(geneve) + sizeof(option)) {
		option.rsvd_words = option.type == VARP_GENEVE_OPT_TYPE ? VARP_GENEVE_OPT_WORDS : VARP_GENEVE_KEYED_WORDS;
		geneve.ver_optlen = 1 + option.rsvd_words;
		memcpy(data, &geneve, sizeof(geneve));
		memcpy(data + sizeof(geneve), &option, sizeof(option));
	} else if (len >= sizeof(varp)) {
		memcpy(data, varp, sizeof(varp));
		data[1] = (uint8_t)random_below(6);
	}
}

int main(int argc, char **argv)
{
	struct sender *s = malloc(sizeof(*s));
	uint32_t to_be, from_be;
	uint64_t count;

	if (!s || argc < 7) {
		fprintf(stderr, "usage: see the head of garbage.c\n");
		return 2;
	}
	to_be = parse_ip4(argv[1]);
	from_be = parse_ip4(argv[2]);
	count = strtoull(argv[3], NULL, 0);
	random_seed(strtoull(argv[5], NULL, 0));
	sender_open_raw(s, to_be, strtoull(argv[4], NULL, 0));
	for (uint64_t i = 0; i < count; i++) {
		/* Many are as long as a message. */
		size_t len = random_below(3) ? random_below(LEN_MAX) : VARP_MSG_LEN;
		uint16_t port = (uint16_t)atoi(argv[6 + i % (unsigned int)(argc - 6)]);
		uint8_t *frame = sender_room(s);

		put_ip4_udp(frame, from_be, to_be, (uint16_t)(1024 + random_below(60000)), port, len);
		random_fill(frame + 28, len);
		if (!random_below(3))
			begin_like_ours(frame + 28, len);
		s->len[s->count++] = 28 + len;
	}
	sender_done(s);
	free(s);
	return 0;
}
