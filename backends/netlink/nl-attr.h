/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Attributes of a netlink message, read without trusting a length.
 *
 * The tables point into the message and die with it. A getter leaves *ret as
 * it is when the attribute is absent (NULL), so that the default stands; it
 * returns 0, or -EBADMSG when the payload has the wrong size. See netlink(7).
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "backends/facts/prefix.h"

/*
 * Fills @table, indexed by type, with the attributes in @size bytes at @start;
 * the last of a type wins. Return: how many had a type of @n or more and were
 * left out; -EBADMSG.
 */
int nl_attr_parse(const void *start, size_t size, const struct nlattr **table, size_t n);

/* Parses what follows a fixed header of @header_size bytes. Return: as above. */
int nl_attr_parse_message(
        const struct nlmsghdr *nlh, size_t header_size, const struct nlattr **table, size_t n);

/* Parses the attributes inside @attr; none when it is NULL. Return: as above. */
int nl_attr_parse_nested(const struct nlattr *attr, const struct nlattr **table, size_t n);

size_t nl_attr_size(const struct nlattr *attr);
const void *nl_attr_payload(const struct nlattr *attr);

/* Integers in host byte order. */
int nl_attr_u8(const struct nlattr *attr, uint8_t *ret);
int nl_attr_u32(const struct nlattr *attr, uint32_t *ret);

/* An address of @family, which must be AF_INET or AF_INET6. */
int nl_attr_address(const struct nlattr *attr, int family, Address *ret);

/* A string of less than @size bytes, ended by NUL or by the attribute. */
int nl_attr_string(const struct nlattr *attr, char *ret, size_t size);
