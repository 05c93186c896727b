/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libvarp's public interface: the memo's varpdb calls, for C programs that share a host with a
 * running varpd.
 *
 * A program connects to the daemon of an instance, looks vaddrs up, is called back with answers
 * that were not in the cache, watches callbacks as a monitor, and may send the memo's command
 * opcodes. Link with -lvarp; see varpdb(3) and docs/examples/lookup.c.
 *
 * Nothing here starts threads. Callbacks run inside varpdb_dispatch(), on the caller's stack. A
 * process holds one connection; the calls are not safe to use from two threads at once.
 */
#ifndef VARP_VARP_H
#define VARP_VARP_H

#include <netinet/in.h>
#include <stddef.h>

#include <varp/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARP_API __attribute__((visibility("default")))

/* --- Types of the memo ------------------------------------------------------------------------ */

typedef struct varp_snid vid_t;		/* supernet identifier, 80 bits, network order */

/*
 * A node and where it lives. The memo has struct in_addr here; both address families are carried,
 * so addresses are IPv6, IPv4 ones mapped (::ffff:a.b.c.d). varp_addr_from_text() and
 * varp_addr_to_text() convert.
 */
typedef struct {
	vid_t vid;
	struct in6_addr vaddr;
	struct in6_addr raddr;
} vnode_t;

typedef enum {
	VARPDB_NOTASSIGNED	= 0x00,	/* initial value, never a result */
	VARPDB_HIT		= 0x01,	/* raddr is filled in */
	/* Not in the cache: lookup has been started; as a callback: not found */
	VARPDB_MISS		= 0x02,
	/* Cached negative answer: not registered at the supernet's server */
	VARPDB_NOTKNOWN		= 0x03,
} vstatus_t;

/* Operation codes, with the memo's numbers. 1 to 5 are sent to varpdb, 11 to 13 come back. */
#define VARPDB_OPCODE_INSERT	1	/* snid vaddr raddr ttl */
#define VARPDB_OPCODE_REPLY	2	/* snid vaddr raddr ttl: INSERT, and call back */
/* snid vaddr caddr: answered with RESULT or NAK, caddr unchanged */
#define VARPDB_OPCODE_LOOKUP	3
#define VARPDB_OPCODE_REMOVE	4	/* snid vaddr */
#define VARPDB_OPCODE_NAK	5	/* snid vaddr: negative answer, and call back */

#define VARPD_OPCODE_REQUEST	11	/* snid vaddr */
#define VARPD_OPCODE_RESULT	12	/* snid vaddr raddr caddr */
#define VARPD_OPCODE_NAK	13	/* snid vaddr caddr */

typedef struct addrset {
	int op_code;
	vnode_t vnode;
	struct in6_addr caddr;	/* requesting client, carried through LOOKUP */
	int ttl;		/* s, 1..65536 or VARPDB_TTL_ALWAYS */
} addrset_t;

/* The memo's ioctl requests, for varpdb_control(). */
enum varpdb_request {
	VARPDB_IOCTLXRESET	= 0,	/* forget all cached and pending entries */
	VARPDB_IOCTLXTIMSTART	= 1,	/* start the aging sweep (it runs from the start) */
	/* Stop it; deadlines still hold, the datapath itself honours them */
	VARPDB_IOCTLXTIMSTOP	= 2,
	VARPDB_IOCTLWCMD	= 3,	/* an addrset_t with one of the opcodes */
};

typedef void (*varpdb_callback_t)(vnode_t *vnodep, vstatus_t *statusp);

/* --- Connection ------------------------------------------------------------------------------- */

/*
 * Connects to varpd of `instance` (NULL: "default"). Returns 0; -ENOENT or -ECONNREFUSED if none
 * runs, -EACCES if its socket may not be used, -EISCONN if already open. The other calls open
 * "default" by themselves when needed.
 */
VARP_API int varpdb_open(const char *instance);
VARP_API void varpdb_close(void);

/* A descriptor to poll for reading; when readable call varpdb_dispatch(). -ENOTCONN if not open. */
VARP_API int varpdb_fd(void);

/*
 * Runs callbacks for everything that has arrived, waiting up to timeout_ms (0: not at all, -1: for
 * ever) for the first. Returns how many callbacks ran, or -ECONNRESET when the daemon has gone
 * (open again to go on).
 */
VARP_API int varpdb_dispatch(int timeout_ms);

/* --- Memo, "Interface varpdb if" -------------------------------------------------------------- */

/*
 * Registers the function called with the outcome of lookups that were not answered at once:
 * VARPDB_HIT with raddr filled in, or VARPDB_MISS when there is no such mapping. Best effort: it
 * may never be called (a lost answer, a stopped daemon). A new registration replaces the old; NULL,
 * or varpdb_unregister(NULL), ends it.
 */
VARP_API void varpdb_register(varpdb_callback_t callback);

/* The same for a monitor: it sees the callbacks of every user of this host's varpdb. */
VARP_API void varpdb_mon_register(varpdb_callback_t callback);

VARP_API void varpdb_unregister(varpdb_callback_t callback);

/*
 * Looks (vnodep->vid, vnodep->vaddr) up. Sets *statusp to VARPDB_HIT (raddr is filled in),
 * VARPDB_NOTKNOWN (cached negative answer) or VARPDB_MISS (raddr undefined; a resolution has been
 * asked for). Never waits for the network; a daemon that does not answer at once (it is stopped,
 * say) makes it VARPDB_MISS.
 */
VARP_API void varpdb_lookup(vnode_t *vnodep, vstatus_t *statusp);

/*
 * Memo, "Interface internal if". For VARPDB_IOCTLWCMD `set` carries the opcode; LOOKUP overwrites
 * op_code with VARPD_OPCODE_RESULT or VARPD_OPCODE_NAK. Other requests ignore set. Returns 0,
 * -EINVAL (opcode, ttl or address out of range), -EPERM, -ENOTCONN, -ETIMEDOUT (daemon does not
 * answer).
 */
VARP_API int varpdb_control(enum varpdb_request request, addrset_t *set);

/* --- Text forms ------------------------------------------------------------------------------- */

#define VARP_SNID_STRLEN	23	/* "0x", 20 digits, NUL */
#define VARP_CHID_STRLEN	15	/* "0x", 12 digits, NUL */
#define VARP_ADDR_STRLEN	46	/* INET6_ADDRSTRLEN */

/* "0x" and 1 to 20 hex digits. 0 or -EINVAL. */
VARP_API int varp_snid_from_text(const char *text, vid_t *vid);
VARP_API char *varp_snid_to_text(const vid_t *vid, char out[VARP_SNID_STRLEN]);
/* IPv4 or IPv6 text; 0 or -EINVAL. Mapped addresses print as IPv4. */
VARP_API int varp_addr_from_text(const char *text, struct in6_addr *addr);
VARP_API char *varp_addr_to_text(const struct in6_addr *addr, char out[VARP_ADDR_STRLEN]);

#ifdef __cplusplus
}
#endif

#endif
