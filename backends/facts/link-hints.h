/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the programs that configure links say of one: annotations, never truth.
 *
 * A LinkHints is a plain value, zero behind its texts and its resolvers.
 * Nothing here decides where packets go; netlink does. Texts are UTF-8.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/base/array.h"
#include "backends/facts/prefix.h"

#define LINK_RESOLVERS_MAX 8
#define LINK_CONNECTION_MAX 128
#define LINK_CONNECTION_UUID_MAX 37

typedef struct LinkHints {
        uint32_t ifindex;
        char connection[LINK_CONNECTION_MAX];           /* as people named it, cut at a character */
        char connection_uuid[LINK_CONNECTION_UUID_MAX]; /* "": none, or not in form */
        bool managed;     /* NetworkManager configures it, or shows it as connected externally */
        bool is_vpn;      /* a VPN of NetworkManager: vpn, wireguard or tun */
        bool has_metered; /* `metered` says something, a guess perhaps */
        bool metered;
        uint8_t n_resolvers;
        Address resolvers[LINK_RESOLVERS_MAX]; /* in order of preference; further ones left out */
} LinkHints;

typedef enum LinkHintsSource {
        LINK_HINTS_NETWORK_MANAGER,
        LINK_HINTS_RESOLVED,
        _LINK_HINTS_SOURCE_MAX,
} LinkHintsSource;

/* Hears of one link; when @gone, only the ifindex of @hints holds. */
typedef void (*LinkHintsListener)(const LinkHints *hints, bool gone, void *userdata);

int link_hints_compare_key(const LinkHints *a, const LinkHints *b);
int link_hints_compare_value(const LinkHints *a, const LinkHints *b);

/* Whether they say nothing beyond the ifindex. */
bool link_hints_are_empty(const LinkHints *hints);

/* Copies names that others chose. What does not fit is cut at a character; no UTF-8 gives "". */
void link_hints_set_connection(LinkHints *hints, const char *id);
void link_hints_set_uuid(LinkHints *hints, const char *uuid);

/* Appends, once each. Return: whether it was appended. */
bool link_hints_add_resolver(LinkHints *hints, const Address *address);

/*
 * Joins what two programs say of one link, either may be NULL: all is
 * NetworkManager's but the resolvers, which are resolved's where it has any.
 */
LinkHints link_hints_merge(const LinkHints *network_manager, const LinkHints *resolved);

/*
 * Tells @listener what differs between two arrays of LinkHints, both sorted by
 * ifindex: first what is gone, then what is new or changed.
 */
void link_hints_tell(
        const Array *old, const Array *new, LinkHintsListener listener, void *userdata);

/*
 * What each program said last of each link; the owner of the book hands in
 * what listeners hear. All zeroes but for LINK_HINTS_BOOK_INIT is empty.
 */
typedef struct LinkHintsBook {
        Array entries;
} LinkHintsBook;

typedef struct LinkHintsEntry {
        uint32_t ifindex;
        bool there[_LINK_HINTS_SOURCE_MAX];
        LinkHints said[_LINK_HINTS_SOURCE_MAX];
} LinkHintsEntry;

#define LINK_HINTS_BOOK_INIT                                                                       \
        (LinkHintsBook) {                                                                          \
                .entries = ARRAY_INIT(LinkHintsEntry)                                              \
        }

void link_hints_book_clear(LinkHintsBook *book);

/* Return: 1 when the merged hints of that link changed; 0 when not; -ENOMEM. */
int link_hints_book_put(
        LinkHintsBook *book, LinkHintsSource source, const LinkHints *hints, bool gone);

/* Return: whether anything is known of that link; *ret is set in any case. */
bool link_hints_book_find(const LinkHintsBook *book, uint32_t ifindex, LinkHints *ret);
