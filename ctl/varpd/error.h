/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line for a person: what is wrong and what to do about it. Filled by whoever refuses, logged
 * or sent on once.
 */
#ifndef VARPD_ERROR_H
#define VARPD_ERROR_H

struct varpd_error {
	char text[448];	/* a reason within another one */
};

/*
 * Formats into error->text (NULL is allowed) and returns code, so that `return varpd_fail(error,
 * -ENOENT, "...")` reads well.
 */
__attribute__((format(printf, 3, 4)))
int varpd_fail(struct varpd_error *error, int code, const char *format, ...);

#endif
