// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sends VARP messages that nobody may believe, of every kind that an attacker can make who sees all traffic but has no keys:
 *
 *   forge answers TO SERVER SNID VADDR COUNT PPS SEED [PCAP]
 *       REPLYs and NAKs to the client TO: with a guessed nonce, from another address than SERVER's, about another supernet,
 *       with a session or a tag, and what was captured in PCAP again: answers as they were and damaged, and answers to
 *       requests that nobody waits for any more. They are about VADDR and the 255 addresses behind it, and offer the
 *       attacker, 192.0.2.66.
 *   forge overheard TO SERVER SNID VADDR COUNT PPS SEED PCAP
 *       answers to requests of PCAP, which are open: right in all but the tag, some of them damaged
 *   forge requests TO FROM SNID VADDR COUNT PPS SEED [PCAP]
 *       REQUESTs to the server TO, with a session or a tag that do not exist, and captured ones damaged there
 *
 * With "secure" behind PCAP, requests without session and tag are among them, too.
 * Called by tests/attack/test_forged.sh.
 */
#include "attack.h"

#define CAPTURED_MAX	4096
#define PORT		VARPDB_VARP_PORT

static struct varp_wire_msg captured[CAPTURED_MAX];
static unsigned int captured_count;

static struct {
	uint32_t peer_be;		/* SERVER or FROM */
	struct varp_snid snid;
	uint32_t vaddr;			/* host order */
	bool secure;
} args;

struct forged {
	struct varp_wire_msg msg;
	uint32_t from_be;
	uint16_t port;
};

/* VARP messages within Ethernet, IPv4 and UDP; many in one packet where the sender has the kernel cut it later. */
static void read_pcap(const char *path)
{
	struct { uint32_t s, us, len, full; } head;
	FILE *file = fopen(path, "rb");
	uint8_t data[65536];

	if (!file || fread(data, 1, 24, file) != 24)
		die(path);
	while (fread(&head, sizeof(head), 1, file) == 1 && head.len <= sizeof(data) &&
	       fread(data, 1, head.len, file) == head.len)
		for (size_t at = 14 + 28; at + VARP_MSG_LEN <= head.len && captured_count < CAPTURED_MAX; at += VARP_MSG_LEN)
			memcpy(&captured[captured_count++], data + at, VARP_MSG_LEN);
	fclose(file);
	if (!captured_count) {
		fprintf(stderr, "forge: no VARP messages in %s\n", path);
		exit(2);
	}
}

static struct varp_wire_msg base(enum varp_msg_type type)
{
	struct varp_wire_msg msg = { .version = VARP_VERSION, .type = (uint8_t)type, .prefix_len = 128,
				     .length = htons(VARP_MSG_LEN), .snid = args.snid };

	msg.vaddr = mapped(args.vaddr + random_below(256));
	random_fill(&msg.nonce, sizeof(msg.nonce));
	if (type == VARP_MSG_REPLY || type == VARP_MSG_NOTIFY) {
		msg.raddr_count = 1;
		msg.ttl = htonl(VARPDB_TTL_MAX);
		msg.raddr[0].raddr = mapped(0xc0000242);
	}
	return msg;
}

static enum varp_msg_type any_answer(void)
{
	return VARP_MSG_REPLY + random_below(4);
}

/* An octet or more where it makes another message of it. */
static void damage(struct varp_wire_msg *msg)
{
	static const uint8_t places[] = { 8, 15, 16, 23, 33, 34, 39, 45, 55, 59, 79, 100, 144, 159 };

	for (uint32_t i = 0, n = 1 + random_below(3); i < n; i++)
		((uint8_t *)msg)[places[random_below(sizeof(places))]] ^= (uint8_t)(1 + random_below(255));
}

static void forge_nonce(struct forged *f) { (void)f; }

static void forge_server(struct forged *f)
{
	f->from_be = htonl(0xc0000200 + 30 + random_below(200));
}

static void forge_port(struct forged *f)
{
	f->port = (uint16_t)(1 + random_below(2499));
}

static void forge_supernet(struct forged *f)
{
	f->msg.snid.b[random_below(VARP_SNID_LEN)] ^= (uint8_t)(1 + random_below(255));
}

static void forge_session(struct forged *f)
{
	random_fill(&f->msg.session, sizeof(f->msg.session));
	random_fill(f->msg.tag, random_below(2) ? VARP_TAG_LEN : 0);
}

static void forge_tag(struct forged *f)
{
	random_fill(f->msg.tag, VARP_TAG_LEN);
}

static bool is_request(const struct varp_wire_msg *msg)
{
	return msg->type == VARP_MSG_REQUEST;
}

/* An answer of long ago, or one to a request of then, with its nonce and session. */
static void forge_late(struct forged *f)
{
	const struct varp_wire_msg *old = &captured[random_below(captured_count)];
	struct varp_wire_msg answer = base(any_answer());

	f->msg = *old;
	if (!is_request(old))
		return;
	answer.nonce = old->nonce;
	answer.session = old->session;
	answer.vaddr = old->vaddr;
	f->msg = answer;
}

static void forge_late_damaged(struct forged *f)
{
	forge_late(f);
	damage(&f->msg);
}

static void (*const answers[])(struct forged *f) = {
	forge_nonce, forge_server, forge_port, forge_supernet, forge_session, forge_tag, forge_late, forge_late_damaged,
};

/* A captured request whose session or tag is not the one that was issued. */
static void forge_request_damaged(struct forged *f)
{
	unsigned int i = random_below(captured_count);
	uint8_t *octets = (uint8_t *)&f->msg;

	for (unsigned int n = 0; n < captured_count && !is_request(&captured[i]); n++)
		i = (i + 1) % captured_count;
	f->msg = captured[i];
	octets[random_below(2) ? 8 + random_below(8) : VARP_MSG_TAGGED_LEN + random_below(VARP_TAG_LEN)] ^=
		(uint8_t)(1 + random_below(255));
}

/* Without session and tag: only where keys are demanded is this not to be answered. */
static void forge_request_bare(struct forged *f)
{
	if (!args.secure)
		forge_session(f);
}

static void (*const requests[])(struct forged *f) = {
	forge_session, forge_tag, forge_request_bare, forge_request_damaged,
};

static const struct mode {
	const char *name;
	void (*const *kinds)(struct forged *f);
	unsigned int count;
	unsigned int of_pcap;		/* the last ones need captured messages */
	bool ask;
} modes[] = {
	{ "answers", answers, 8, 2, false },
	{ "overheard", answers + 6, 2, 2, false },
	{ "requests", requests, 4, 1, true },
};

static const struct mode *find_mode(int argc, char **argv)
{
	for (size_t i = 0; argc >= 9 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name) && (argc > 9 || modes[i].of_pcap < modes[i].count))
			return &modes[i];
	fprintf(stderr, "usage: see the head of forge.c\n");
	exit(2);
}

int main(int argc, char **argv)
{
	const struct mode *mode = find_mode(argc, argv);
	uint64_t count = strtoull(argv[6], NULL, 0);
	struct sender *s = malloc(sizeof(*s));
	unsigned int kinds = mode->count;

	if (!s)
		return 2;
	args.peer_be = parse_ip4(argv[3]);
	args.snid = parse_snid(argv[4]);
	args.vaddr = ntohl(parse_ip4(argv[5]));
	args.secure = argc > 10 && !strcmp(argv[10], "secure");
	random_seed(strtoull(argv[8], NULL, 0));
	if (argc > 9)
		read_pcap(argv[9]);
	else
		kinds -= mode->of_pcap;
	sender_open_raw(s, parse_ip4(argv[2]), strtoull(argv[7], NULL, 0));
	for (uint64_t i = 0; i < count; i++) {
		struct forged f = { base(mode->ask ? VARP_MSG_REQUEST : any_answer()), args.peer_be, PORT };
		uint8_t *frame = sender_room(s);

		mode->kinds[random_below(kinds)](&f);
		put_ip4_udp(frame, f.from_be, parse_ip4(argv[2]), f.port, PORT, VARP_MSG_LEN);
		memcpy(frame + 28, &f.msg, VARP_MSG_LEN);
		s->len[s->count++] = 28 + VARP_MSG_LEN;
	}
	sender_done(s);
	free(s);
	return 0;
}
