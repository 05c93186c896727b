// SPDX-License-Identifier: BSD-2-Clause
/*
 * Encapsulated packets with random damage, and somebody at the other end who knows what may come of them.
 *
 *   mutate send DEV MAC FROM TO COUNT PPS SEED SNID VADDR [SNID VADDR]...
 *       frames from DEV to the host with address TO and MAC, each for one of the nodes, damaged anywhere from the outer IP
 *       header to the inner UDP header; each carries a copy of what its Geneve header has become
 *   mutate recv DEV SNID VADDR COUNT IDLE_MS
 *       at a node's device: says "ready", then looks at all that is delivered until nothing came for IDLE_MS. A packet is
 *       right if its copy, read by RFC 8926 and docs/PROTOCOL.md, names this supernet, and the packet this VADDR; "cut" if
 *       the damage has cut the copy off (the VADDR must be right all the same).
 *
 * Called by tests/attack/test_mutated.sh.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>

#include "attack.h"

#define OUTER_IP	14
#define GENEVE		(OUTER_IP + 28)
#define OPTION		(GENEVE + (int)sizeof(struct varp_geneve))
#define INNER_IP	(OPTION + (int)sizeof(struct varp_geneve_opt))
#define COPY		(INNER_IP + 28)
#define COPY_LEN	300	/* the longest header, and our option behind it */
#define MAGIC		"VARPCOPY"
#define MAGIC_LEN	8
#define FRAME_LEN	(COPY + MAGIC_LEN + COPY_LEN)
#define NODES_MAX	8

struct node {
	struct varp_snid snid;
	uint32_t vaddr_be;
};

static int open_packet(const char *dev, struct sockaddr_ll *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	*name = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex(dev) };
	if (fd < 0 || !name->sll_ifindex)
		die(dev);
	return fd;
}

/* --- Sending --- */

static void build(uint8_t *f, const uint8_t mac[6], uint32_t from_be, uint32_t to_be, const struct node *node)
{
	struct varp_geneve *geneve = (struct varp_geneve *)(f + GENEVE);
	struct varp_geneve_opt *option = (struct varp_geneve_opt *)(f + OPTION);

	memset(f, 0, FRAME_LEN);
	memcpy(f, mac, 6);
	f[6] = 2;
	put16(f + 12, ETH_P_IP);
	put_ip4_udp(f + OUTER_IP, from_be, to_be, 50000, VARP_GENEVE_PORT, FRAME_LEN - GENEVE);
	geneve->ver_optlen = sizeof(*option) / 4;
	geneve->flags = VARP_GENEVE_F_CRITICAL;
	geneve->proto = htons(ETH_P_IP);
	option->opt_class = htons(VARP_GENEVE_OPT_CLASS);
	option->type = VARP_GENEVE_OPT_TYPE;
	option->rsvd_words = VARP_GENEVE_OPT_WORDS;
	option->bridge = htons(VARP_GENEVE_OPT_BRIDGE);
	option->snid = node->snid;
	option->proto = htons(ETH_P_IP);
	put_ip4_udp(f + INNER_IP, htonl(0x0a010063), node->vaddr_be, 7000, 7000, FRAME_LEN - COPY);
}

/* Half of it where it decides who gets the packet. */
static void damage(uint8_t *f, const struct node *other)
{
	for (uint32_t i = 0, n = random_below(5); i < n; i++) {
		int from = random_below(2) ? OUTER_IP : GENEVE;
		uint8_t *at = f + from + random_below((uint32_t)(COPY - from));

		switch (random_below(3)) {
		case 0: *at ^= (uint8_t)(1u << random_below(8)); break;
		case 1: *at = (uint8_t)random_below(256); break;
		default: *at += 1; break;
		}
	}
	if (!random_below(16))	/* the option says one supernet, the packet another's vaddr */
		memcpy(f + INNER_IP + 16, &other->vaddr_be, 4);
	if (!random_below(16))	/* another option stands before ours, which is further than it looks */
		put16(f + OPTION, 0x0101);
	if (random_below(8))
		checksum_ip4(f + OUTER_IP);
	if (random_below(8))
		checksum_ip4(f + INNER_IP);
}

static int cmd_send(int argc, char **argv)
{
	struct sender *s = calloc(1, sizeof(*s));
	uint32_t from_be = parse_ip4(argv[2]), to_be = parse_ip4(argv[3]);
	uint64_t count = strtoull(argv[4], NULL, 0);
	struct node nodes[NODES_MAX];
	unsigned int n = 0;
	uint8_t mac[6];

	if (!s || sscanf(argv[1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		return 2;
	for (int i = 7; i + 1 < argc && n < NODES_MAX; i += 2)
		nodes[n++] = (struct node){ parse_snid(argv[i]), parse_ip4(argv[i + 1]) };
	random_seed(strtoull(argv[6], NULL, 0));
	s->fd = open_packet(argv[0], (struct sockaddr_ll *)&s->to);
	s->to_len = sizeof(struct sockaddr_ll);
	s->pps = strtoull(argv[5], NULL, 0);
	s->start_ns = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		uint8_t *frame = sender_room(s);

		build(frame, mac, from_be, to_be, &nodes[random_below(n)]);
		damage(frame, &nodes[random_below(n)]);
		memcpy(frame + COPY, MAGIC, MAGIC_LEN);
		memmove(frame + COPY + MAGIC_LEN, frame + GENEVE, COPY_LEN);
		s->len[s->count++] = FRAME_LEN;
	}
	sender_done(s);
	free(s);
	return 0;
}

/* --- Receiving --- */

/* Whose the packet is, by its Geneve header; false: nobody's. */
static bool read_copy(const uint8_t *copy, struct varp_snid *snid)
{
	const struct varp_geneve *geneve = (const struct varp_geneve *)copy;
	size_t at = sizeof(*geneve), end = at + (geneve->ver_optlen & 0x3f) * 4u;
	bool found = false;

	if (geneve->ver_optlen >> 6 || (geneve->flags & VARP_GENEVE_F_CONTROL))
		return false;
	while (at + 4 <= end) {
		size_t len = 4 + (copy[at + 3] & 0x1f) * 4u;
		bool ours = copy[at] == VARP_GENEVE_OPT_CLASS >> 8 && copy[at + 1] == (VARP_GENEVE_OPT_CLASS & 0xff) &&
			    copy[at + 2] == VARP_GENEVE_OPT_TYPE;

		if (at + len > end)
			return false;
		if (ours && !found)
			memcpy(snid, copy + at + offsetof(struct varp_geneve_opt, snid), sizeof(*snid));
		found |= ours;
		at += len;
	}
	return found;
}

static int cmd_recv(int argc, char **argv)
{
	const struct node me = { parse_snid(argv[1]), parse_ip4(argv[2]) };
	uint64_t right = 0, cut = 0, wrong = 0, other = 0, count = strtoull(argv[3], NULL, 0);
	struct sockaddr_ll name, from;
	int fd = open_packet(argv[0], &name), size = 64 << 20, idle_ms = atoi(argv[4]);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t f[65536];

	(void)argc;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)))
		die("bind");
	printf("ready\n");
	fflush(stdout);
	while (right + cut + wrong < count && poll(&pfd, 1, idle_ms) == 1) {
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, f, sizeof(f), 0, (struct sockaddr *)&from, &len);
		struct varp_snid snid;

		if (got < 34 || from.sll_pkttype == PACKET_OUTGOING || f[12] != 0x08 || f[13]) {
			other++;
		} else if (memcmp(f + 14 + 16, &me.vaddr_be, 4)) {
			wrong++;
		} else {
			/* The copy is behind the inner headers as they were sent, whatever they say now. */
			uint8_t *copy = memmem(f, (size_t)got, MAGIC, MAGIC_LEN);

			if (!copy || copy + MAGIC_LEN + COPY_LEN > f + got)
				cut++;
			else if (read_copy(copy + MAGIC_LEN, &snid) && !memcmp(&snid, &me.snid, sizeof(snid)))
				right++;
			else
				wrong++;
		}
	}
	printf("right %llu cut %llu wrong %llu other %llu\n", (unsigned long long)right, (unsigned long long)cut,
	       (unsigned long long)wrong, (unsigned long long)other);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 11 && !strcmp(argv[1], "send"))
		return cmd_send(argc - 2, argv + 2);
	if (argc == 7 && !strcmp(argv[1], "recv"))
		return cmd_recv(argc - 2, argv + 2);
	fprintf(stderr, "usage: see the head of mutate.c\n");
	return 2;
}
