/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device features, by the ethtool ioctls. Called when a node device is made or its channel gets
 * keys; knows nothing of either.
 */
#ifndef VARPD_ETHTOOL_H
#define VARPD_ETHTOOL_H

#include <stdbool.h>

/*
 * Switches a feature by its name in `ethtool -k`'s kernel form ("tx-udp-segmentation"), in the
 * namespace of netns_fd (-1: the caller's). 0, -ENOENT (no such feature), or the kernel's -errno.
 */
int ethtool_feature(int netns_fd, const char *dev, const char *feature, bool on);

#endif
