// SPDX-License-Identifier: BSD-2-Clause
/*
 * When the keys that a server hands out begin and end: the pure part of channel_keys.h. Each key is
 * random, so that who has one knows nothing of the next.
 *
 *            lead          L (channel-epoch)          lead
 *     |<-- made -->|<------ sealed with ------ ... ------>|<-- still accepted -->|
 *
 * A key is never taken back, since members may have it: a rotation that is wanted earlier puts
 * another behind it. So there are at most four: one that is over, this one, and two to come.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "channel_keys.h"

#define MS	1000ll

int64_t channel_keys_lead_ms(uint32_t epoch_s)
{
	return epoch_s * MS / 4;
}

int64_t channel_keys_again_ms(uint32_t epoch_s)
{
	return epoch_s * MS / 8;
}

/* The last one serves on while a server is away, but not forever. */
int64_t channel_keys_ends_ms(const struct store_channel *channel, unsigned int i, uint32_t epoch_s)
{
	if (i + 1 < channel->count)
		return channel->epochs[i + 1].begins_ms + channel_keys_lead_ms(epoch_s);
	return channel->epochs[i].begins_ms + 3 * epoch_s * MS;
}

static int append(struct store_channel *channel, uint32_t number, int64_t begins_ms)
{
	struct store_epoch *e = &channel->epochs[channel->count];

	if (getrandom(e->key, sizeof(e->key), 0) != sizeof(e->key))
		return -EIO;
	e->number = number;
	e->begins_ms = begins_ms;
	channel->count++;
	return 0;
}

int channel_keys_begin(struct store_channel *channel, uint32_t number, int64_t now_ms)
{
	explicit_bzero(channel->epochs, sizeof(channel->epochs));
	channel->count = 0;
	channel->wanted = false;
	return append(channel, number + 1, now_ms);
}

/* The clock was set back: what would begin in the far future would leave everybody without a key. */
static bool redate(struct store_channel *channel, uint32_t epoch_s, int64_t now_ms)
{
	int64_t lead_ms = channel_keys_lead_ms(epoch_s), far_ms = now_ms + epoch_s * MS + lead_ms;
	bool changed = false;

	for (unsigned int i = 0; i < channel->count; i++) {
		struct store_epoch *e = &channel->epochs[i];

		if (e->begins_ms <= far_ms)
			continue;
		e->begins_ms = now_ms + i * lead_ms;
		if (i && e->begins_ms <= e[-1].begins_ms)
			e->begins_ms = e[-1].begins_ms + MS;
		changed = true;
	}
	return changed;
}

/* The last key stays, whatever its time: the next one's number follows from it. */
static bool drop_over(struct store_channel *channel, uint32_t epoch_s, int64_t now_ms)
{
	unsigned int over = 0, left;

	while (over + 1 < channel->count && channel_keys_ends_ms(channel, over, epoch_s) <= now_ms)
		over++;
	left = channel->count - over;
	memmove(channel->epochs, channel->epochs + over, left * sizeof(channel->epochs[0]));
	explicit_bzero(channel->epochs + left, over * sizeof(channel->epochs[0]));
	channel->count = left;
	return over;
}

int channel_keys_step(struct store_channel *channel, uint32_t epoch_s, int64_t now_ms)
{
	int64_t lead_ms = channel_keys_lead_ms(epoch_s), begins_ms = now_ms + lead_ms, last_ms;
	bool changed;

	if (!channel->count)
		return 0;
	changed = redate(channel, epoch_s, now_ms);
	changed |= drop_over(channel, epoch_s, now_ms);
	last_ms = channel->epochs[channel->count - 1].begins_ms;
	if (channel->count == VARP_EPOCHS ||
	    (!channel->wanted && now_ms < last_ms + epoch_s * MS - lead_ms))
		return changed;
	if (now_ms >= channel_keys_ends_ms(channel, channel->count - 1, epoch_s))
		begins_ms = now_ms;	/* nobody has a key, so nothing is lost */
	else if (!channel->wanted && begins_ms < last_ms + epoch_s * MS)
		begins_ms = last_ms + epoch_s * MS;
	else if (begins_ms <= last_ms)
		begins_ms = last_ms + MS;
	channel->wanted = false;
	return append(channel, channel->epochs[channel->count - 1].number + 1, begins_ms) ? -EIO : 1;
}
