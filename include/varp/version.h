/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The release, as printed by `varpd --version`, `varpctl version` and `varpctl status`. Not the
 * version of the VARP message (wire.h) nor of the pinned maps (abi.h). The build passes
 * VARP_RELEASE; the text here is for a compilation by hand.
 */
#ifndef VARP_VERSION_H
#define VARP_VERSION_H

#ifdef VARP_RELEASE
#define VARP_VERSION_STRING	VARP_RELEASE
#else
#define VARP_VERSION_STRING	"0.1.0"
#endif

#endif
