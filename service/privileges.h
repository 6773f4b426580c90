/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Keeps no more power than needed, where nobody did that for us: systemd's unit
 * starts the service as its user, a bus daemon without systemd as root.
 */

#include <sys/types.h>

/**
 * privileges_drop() - become @user, with the capabilities of the unit alone
 * @user:       stays root, with those alone, when there is no such user
 * @directory:  made with mode 0700 and given to the user
 *
 * Not root: only makes @directory where it is missing.
 *
 * Return: 0; negative errno, logged.
 */
int privileges_drop(const char *user, const char *directory);

/* Return: the uid of @user; root's where there is no such user. */
uid_t privileges_find_user(const char *user);
