/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two messages of a key exchange, inside TLS: docs/PROTOCOL.md, "Key exchange", is the
 * reference. Pure: octets to fields and back. Called by keyx_server.c and keyx_client.c.
 */
#ifndef VARPD_KEYX_MSG_H
#define VARPD_KEYX_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define KEYX_VERSION		1
#define KEYX_REQUEST_LEN	64		/* octets, always */
#define KEYX_ANSWER_LEN		80		/* without records */
#define KEYX_ANSWER_MAX		16384		/* with them */
#define KEYX_RECORD_HEAD	4		/* type and length */
#define KEYX_HEAD_LEN		8		/* as much as tells a message's length */

enum keyx_type {
	KEYX_REQUEST	= 1,
	KEYX_ANSWER	= 2,
};

enum keyx_status {
	KEYX_OK			= 0,
	KEYX_NOT_PERMITTED	= 1,	/* credentials are genuine, but not for this */
	KEYX_NOT_SERVED		= 2,	/* told to members only */
	KEYX_BUSY		= 3,	/* no room for another session; try again */
	KEYX_STATUSES,
};

struct keyx_request {
	struct varp_snid snid;
	struct varp_addr vaddr;		/* the node that asks; zero: none */
};

struct keyx_answer {
	uint16_t status;		/* enum keyx_status, or one of the future */
	uint32_t lifetime_s;		/* of the session; zero unless OK, as are the two below */
	uint64_t session;
	struct varp_addr client;	/* the connection's ends, as the server sees them */
	struct varp_addr server;
	const uint8_t *records;		/* within the message */
	size_t records_len;
};

/* Types of records. */
enum keyx_record_type {
	KEYX_CHANNEL = 1,		/* struct keyx_channel */
};

#define KEYX_CHANNEL_LEN	64	/* octets of its value, always */

/*
 * A channel's mode, with one key of it. A plain one has no key: epoch, times and key are zero. Times
 * count from the moment of the answer, negative ones are past: nobody's clock matters.
 */
struct keyx_channel {
	struct varp_chid chid;
	uint8_t mode;			/* enum varp_channel_mode */
	uint32_t epoch;
	uint32_t again_ms;		/* the next exchange is due within this time */
	int64_t begins_ms;		/* packets are sealed with it from then on */
	int64_t ends_ms;		/* and accepted until then */
	uint8_t key[VARP_CHANNEL_KEY_LEN];
};

struct keyx_record {
	uint16_t type;
	uint16_t len;
	const uint8_t *value;
};

void keyx_request_encode(const struct keyx_request *request, uint8_t out[KEYX_REQUEST_LEN]);
/* 0 or -EINVAL: the connection is to be closed. */
int keyx_request_decode(const uint8_t *data, size_t len, struct keyx_request *request);

/* Octets written, or -EMSGSIZE. records are copied as they are. */
int keyx_answer_encode(const struct keyx_answer *answer, uint8_t *out, size_t room);
/*
 * How long the message is that begins with these octets: 0 when there are too few to say, -EINVAL
 * when it cannot be an answer.
 */
int keyx_answer_length(const uint8_t *data, size_t len);
int keyx_answer_decode(const uint8_t *data, size_t len, struct keyx_answer *answer);

/* Appends a record; returns octets written, or -EMSGSIZE. */
int keyx_record_put(uint8_t *out, size_t room, uint16_t type, const void *value, uint16_t len);
/* Takes the first record off. False: there is none left. */
bool keyx_record_next(const uint8_t **records, size_t *len, struct keyx_record *record);


/* The value of a record of type KEYX_CHANNEL. */
void keyx_channel_encode(const struct keyx_channel *channel, uint8_t out[KEYX_CHANNEL_LEN]);
/* 0 or -EINVAL: the answer is to be refused as a whole. */
int keyx_channel_decode(const uint8_t *value, size_t len, struct keyx_channel *channel);

#endif
