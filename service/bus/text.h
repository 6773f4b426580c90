/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Text that may go over D-Bus.
 *
 * Names of devices are bytes to the kernel, and our own sentences may be cut in
 * the middle of a character; dbus-daemon drops who sends such a string.
 */

#include <stddef.h>

/* Copies @text, cut to @size, each byte that is no UTF-8 or a control byte as '?'. Return: @ret. */
const char *text_clean(const char *text, char *ret, size_t size);
