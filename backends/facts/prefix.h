/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Addresses and destinations.
 *
 * Plain values: copy them, nothing to free. Bytes are in network order and
 * zero behind the family's length; `length` counts bits. Text form follows
 * RFC 4632 and RFC 5952. All zeroes is "no address".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_MAX 46 /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX 50

typedef struct Address {
        uint8_t family; /* AF_INET, AF_INET6; 0: none */
        uint8_t bytes[16];
} Address;

typedef struct Prefix {
        uint8_t family; /* AF_INET, AF_INET6; 0: none */
        uint8_t length;
        uint8_t bytes[16];
} Prefix;

/* Bytes and bits of an address of @family (AF_INET or AF_INET6). */
size_t family_size_bytes(int family);
unsigned family_size_bits(int family);

/* "ipv4", "ipv6"; "none" for 0. */
const char *family_name(int family);

/* Return: AF_INET or AF_INET6; -EINVAL when @name is neither "ipv4" nor "ipv6". */
int family_parse(const char *name);

/* Return: 0; -EINVAL not an address (no zone, no prefix length). */
int address_parse(const char *text, Address *ret);
const char *address_format(const Address *address, char text[static ADDRESS_TEXT_MAX]);
bool address_is_set(const Address *address);
int address_compare(const Address *a, const Address *b);

/**
 * prefix_parse() - read a destination
 * @text:     "10.0.0.0/8", "fd00::/8"; a bare address means one host
 * @ret:      set on success only
 *
 * Return: 0; -EINVAL not a prefix; -ERANGE host bits set.
 */
int prefix_parse(const char *text, Prefix *ret);
const char *prefix_format(const Prefix *prefix, char text[static PREFIX_TEXT_MAX]);
int prefix_compare(const Prefix *a, const Prefix *b);

/* The prefix of @length bits (at most the family's) around @address; host bits are cleared. */
Prefix prefix_of_address(const Address *address, unsigned length);

/* The address written in @prefix. */
Address prefix_address(const Prefix *prefix);

/* Whether @address lies in @prefix; false when the families differ. */
bool prefix_contains(const Prefix *prefix, const Address *address);

/* Whether every address of @inner lies in @outer; false when the families differ. */
bool prefix_covers(const Prefix *outer, const Prefix *inner);

/* The family's "0.0.0.0/0" or "::/0". */
Prefix prefix_default(int family);

/*
 * Whether all of @prefix is private address space: RFC 1918, RFC 3927,
 * RFC 4193 (ULA) and RFC 4291 link-local. Nothing else is ever called LAN
 * (TunnelCrack, CVE-2023-36672).
 */
bool prefix_is_private(const Prefix *prefix);
