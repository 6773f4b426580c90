/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Names of users, from a file alone.
 *
 * getpwnam(3) may ask the network (LDAP, sssd) and hold up all that this
 * service does, and what it loads would have to live in our sandbox. A file of
 * the form of passwd(5) is read in no time; users that are elsewhere go by
 * their number.
 */

#include <stdint.h>

#define USER_NAME_FILE "/etc/passwd"

/* Return: 0; -ENOENT @path does not name it; -EFBIG not looked at to its end; negative errno. */
int user_name_find(const char *path, const char *name, uint32_t *ret);
