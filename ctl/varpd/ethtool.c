// SPDX-License-Identifier: BSD-2-Clause
/*
 * Device features, by the ethtool ioctls: the kernel names its features in a list, and takes bits
 * by their place in it.
 */
#include "ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define FEATURES_MAX	1024	/* today's kernels have about 70 */
#define FEATURE_BITS	32	/* in one block */

static int ethtool(int fd, const char *dev, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	strncpy(ifr.ifr_name, dev, sizeof(ifr.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
}

static int count_features(int fd, const char *dev, uint32_t *count)
{
	/* The structure ends in an array; the answer is its one element. */
	uint64_t room[(sizeof(struct ethtool_sset_info) + sizeof(*count)) / sizeof(uint64_t) + 1] = { 0 };
	struct ethtool_sset_info *info = (struct ethtool_sset_info *)room;
	int err;

	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ULL << ETH_SS_FEATURES;
	err = ethtool(fd, dev, info);
	if (err)
		return err;
	*count = info->data[0];
	return *count && *count <= FEATURES_MAX ? 0 : -EOPNOTSUPP;
}

static int find_feature(int fd, const char *dev, const char *feature, uint32_t count,
			uint32_t *place)
{
	struct ethtool_gstrings *strings;
	int err;

	strings = calloc(1, sizeof(*strings) + (size_t)count * ETH_GSTRING_LEN);
	if (!strings)
		return -ENOMEM;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = count;
	err = ethtool(fd, dev, strings);
	if (err)
		goto out;
	err = -ENOENT;
	for (*place = 0; *place < count; ++*place) {
		if (!strncmp((char *)strings->data + *place * ETH_GSTRING_LEN, feature,
			     ETH_GSTRING_LEN)) {
			err = 0;
			break;
		}
	}
out:
	free(strings);
	return err;
}

static int set(int fd, const char *dev, uint32_t count, uint32_t place, bool on)
{
	uint32_t blocks = (count + FEATURE_BITS - 1) / FEATURE_BITS;
	uint32_t bit = 1U << place % FEATURE_BITS;
	struct ethtool_sfeatures *wish;
	int err;

	wish = calloc(1, sizeof(*wish) + blocks * sizeof(wish->features[0]));
	if (!wish)
		return -ENOMEM;
	wish->cmd = ETHTOOL_SFEATURES;
	wish->size = blocks;
	wish->features[place / FEATURE_BITS].valid = bit;
	wish->features[place / FEATURE_BITS].requested = on ? bit : 0;
	err = ethtool(fd, dev, wish);
	free(wish);
	return err;
}

int ethtool_feature(int netns_fd, const char *dev, const char *feature, bool on)
{
	int fd = netns_socket(netns_fd, HELPER_SOCKET_DEVICE);
	uint32_t count, place;
	int err;

	if (fd < 0)
		return fd;
	err = count_features(fd, dev, &count);
	if (!err)
		err = find_feature(fd, dev, feature, count, &place);
	if (!err)
		err = set(fd, dev, count, place, on);
	close(fd);
	return err;
}
