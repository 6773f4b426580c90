// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/link-hints.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int link_hints_compare_key(const LinkHints *a, const LinkHints *b) {
        return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

static int compare_keys(const void *a, const void *b) {
        return link_hints_compare_key(a, b);
}

static int compare_numbers(unsigned a, unsigned b) {
        return a < b ? -1 : a > b;
}

static unsigned flags_of(const LinkHints *hints) {
        return (unsigned)hints->managed | (unsigned)hints->is_vpn << 1 |
               (unsigned)hints->has_metered << 2 | (unsigned)hints->metered << 3;
}

int link_hints_compare_value(const LinkHints *a, const LinkHints *b) {
        int c = link_hints_compare_key(a, b);

        if (c == 0)
                c = strcmp(a->connection, b->connection);
        if (c == 0)
                c = strcmp(a->connection_uuid, b->connection_uuid);
        if (c == 0)
                c = compare_numbers(flags_of(a), flags_of(b));
        if (c == 0)
                c = compare_numbers(a->n_resolvers, b->n_resolvers);
        for (unsigned i = 0; c == 0 && i < a->n_resolvers; i++)
                c = address_compare(&a->resolvers[i], &b->resolvers[i]);
        return c;
}

bool link_hints_are_empty(const LinkHints *hints) {
        const LinkHints nothing = { .ifindex = hints->ifindex };

        return link_hints_compare_value(hints, &nothing) == 0;
}

/* Bytes of the character at @text by RFC 3629; 0 when there is none, or it is not in form. */
static size_t character_size(const unsigned char *text) {
        size_t size = text[0] < 0x80   ? 1
                      : text[0] < 0xc2 ? 0
                      : text[0] < 0xe0 ? 2
                      : text[0] < 0xf0 ? 3
                      : text[0] < 0xf5 ? 4
                                       : 0;

        for (size_t i = 1; i < size; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
                (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
                return 0;
        return size;
}

void link_hints_set_connection(LinkHints *hints, const char *id) {
        size_t size, length = 0;

        memset(hints->connection, 0, sizeof(hints->connection));
        while (id[length]) {
                size = character_size((const unsigned char *)id + length);
                if (size == 0)
                        return;
                if (length + size >= sizeof(hints->connection))
                        break;
                length += size;
        }
        memcpy(hints->connection, id, length);
}

void link_hints_set_uuid(LinkHints *hints, const char *uuid) {
        size_t length = strlen(uuid);

        memset(hints->connection_uuid, 0, sizeof(hints->connection_uuid));
        if (length >= sizeof(hints->connection_uuid) ||
                strspn(uuid, "0123456789abcdefABCDEF-") != length)
                return;
        memcpy(hints->connection_uuid, uuid, length);
}

bool link_hints_add_resolver(LinkHints *hints, const Address *address) {
        if (!address_is_set(address) || hints->n_resolvers >= LINK_RESOLVERS_MAX)
                return false;
        for (unsigned i = 0; i < hints->n_resolvers; i++)
                if (address_compare(&hints->resolvers[i], address) == 0)
                        return false;
        hints->resolvers[hints->n_resolvers++] = *address;
        return true;
}

LinkHints link_hints_merge(const LinkHints *network_manager, const LinkHints *resolved) {
        LinkHints merged = { .ifindex = 0 };

        if (network_manager)
                merged = *network_manager;
        else if (resolved)
                merged.ifindex = resolved->ifindex;
        if (resolved && resolved->n_resolvers > 0) {
                merged.n_resolvers = resolved->n_resolvers;
                memcpy(merged.resolvers, resolved->resolvers, sizeof(merged.resolvers));
        }
        return merged;
}

void link_hints_tell(
        const Array *old, const Array *new, LinkHintsListener listener, void *userdata) {
        const LinkHints *hints, *before;

        ARRAY_FOREACH(hints, old) {
                const LinkHints gone = { .ifindex = hints->ifindex };

                if (!array_search(new, hints, compare_keys, NULL))
                        listener(&gone, /* gone= */ true, userdata);
        }
        ARRAY_FOREACH(hints, new) {
                before = array_search(old, hints, compare_keys, NULL);
                if (!before || link_hints_compare_value(before, hints) != 0)
                        listener(hints, /* gone= */ false, userdata);
        }
}

static int compare_entries(const void *a, const void *b) {
        const LinkHintsEntry *x = a, *y = b;

        return compare_numbers(x->ifindex, y->ifindex);
}

static LinkHintsEntry *find_entry(const LinkHintsBook *book, uint32_t ifindex, size_t *ret_index) {
        const LinkHintsEntry key = { .ifindex = ifindex };

        return array_search(&book->entries, &key, compare_entries, ret_index);
}

static LinkHints entry_merge(const LinkHintsEntry *entry) {
        return link_hints_merge(entry->there[LINK_HINTS_NETWORK_MANAGER]
                                        ? &entry->said[LINK_HINTS_NETWORK_MANAGER]
                                        : NULL,
                entry->there[LINK_HINTS_RESOLVED] ? &entry->said[LINK_HINTS_RESOLVED] : NULL);
}

void link_hints_book_clear(LinkHintsBook *book) {
        array_clear(&book->entries);
}

int link_hints_book_put(
        LinkHintsBook *book, LinkHintsSource source, const LinkHints *hints, bool gone) {
        const LinkHintsEntry fresh = { .ifindex = hints->ifindex };
        LinkHints before, after;
        LinkHintsEntry *entry;
        size_t index;
        bool known, stays = false;

        assert(source < _LINK_HINTS_SOURCE_MAX);

        known = link_hints_book_find(book, hints->ifindex, &before);
        entry = find_entry(book, hints->ifindex, &index);
        if (!entry && gone)
                return 0;
        if (!entry)
                entry = array_insert(&book->entries, index, &fresh);
        if (!entry)
                return -ENOMEM;

        entry->there[source] = !gone;
        if (!gone)
                entry->said[source] = *hints;
        for (unsigned i = 0; i < _LINK_HINTS_SOURCE_MAX; i++)
                stays |= entry->there[i];
        if (!stays) {
                array_remove(&book->entries, index);
                return known;
        }
        after = entry_merge(entry);
        return !known || link_hints_compare_value(&before, &after) != 0;
}

bool link_hints_book_find(const LinkHintsBook *book, uint32_t ifindex, LinkHints *ret) {
        const LinkHintsEntry *entry = find_entry(book, ifindex, NULL);

        *ret = entry ? entry_merge(entry) : (LinkHints){ .ifindex = ifindex };
        return entry;
}
