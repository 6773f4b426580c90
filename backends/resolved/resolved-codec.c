// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/resolved/resolved-codec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define SERVERS "a(iiay)"

static int compare_hints(const void *a, const void *b) {
        return link_hints_compare_key(a, b);
}

/* Of a broken message sd-bus may give 0, "nothing more", where there must be something. */
static int must(int r) {
        return r == 0 ? -EBADMSG : r;
}

static int add_server(Array *hints, uint32_t ifindex, const Address *address) {
        LinkHints link = { .ifindex = ifindex }, *found;
        size_t index;

        found = array_search(hints, &link, compare_hints, &index);
        if (!found && hints->n >= RESOLVED_LINKS_MAX)
                return 0;
        if (!found)
                found = array_insert(hints, index, &link);
        if (!found)
                return -ENOMEM;
        (void)link_hints_add_resolver(found, address); /* once is enough */
        return 0;
}

/* The message is inside a structure iiay. */
static int read_server(sd_bus_message *message, Array *hints) {
        Address address = { .family = 0 };
        int32_t ifindex, family;
        const void *bytes;
        size_t n_bytes;
        int r;

        r = must(sd_bus_message_read(message, "ii", &ifindex, &family));
        if (r >= 0)
                r = must(sd_bus_message_read_array(message, 'y', &bytes, &n_bytes));
        if (r < 0)
                return r;
        if (ifindex <= 0 || (family != AF_INET && family != AF_INET6) ||
                n_bytes != family_size_bytes(family))
                return 0;
        address.family = (uint8_t)family;
        memcpy(address.bytes, bytes, n_bytes);
        return add_server(hints, (uint32_t)ifindex, &address);
}

/* The message is at a variant of a(iiay). */
static int read_servers(sd_bus_message *message, Array *hints) {
        Array links = ARRAY_INIT(LinkHints);
        int r;

        r = must(sd_bus_message_enter_container(message, 'v', SERVERS));
        if (r >= 0)
                r = must(sd_bus_message_enter_container(message, 'a', "(iiay)"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'r', "iiay")) > 0) {
                r = read_server(message, &links);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        break;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0) {
                array_clear(&links);
                return r;
        }
        array_clear(hints);
        *hints = links;
        return 0;
}

int resolved_read_reply(sd_bus_message *message, Array *hints) {
        return read_servers(message, hints);
}

/* The message is inside an entry sv. Return: whether it was ours. */
static int read_property(sd_bus_message *message, Array *hints) {
        const char *name, *type;
        int r;

        r = must(sd_bus_message_read_basic(message, 's', &name));
        if (r >= 0)
                r = must(sd_bus_message_peek_type(message, NULL, &type));
        if (r < 0)
                return r;
        if (strcmp(name, RESOLVED_DNS) == 0 && strcmp(type, SERVERS) == 0) {
                r = read_servers(message, hints);
                return r < 0 ? r : 1;
        }
        r = sd_bus_message_skip(message, "v");
        return r < 0 ? r : 0;
}

static int read_invalidated(sd_bus_message *message) {
        const char *name;
        bool found = false;
        int r;

        r = must(sd_bus_message_enter_container(message, 'a', "s"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(message, 's', &name)) > 0)
                found |= strcmp(name, RESOLVED_DNS) == 0;
        return r < 0 ? r : found;
}

int resolved_read_changed(sd_bus_message *message, Array *hints) {
        const char *interface;
        bool found = false;
        int r;

        r = must(sd_bus_message_read_basic(message, 's', &interface));
        if (r < 0)
                return r;
        if (strcmp(interface, RESOLVED_MANAGER) != 0)
                return RESOLVED_UNCHANGED;
        r = must(sd_bus_message_enter_container(message, 'a', "{sv}"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_property(message, hints);
                if (r < 0)
                        return r;
                found |= r > 0;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;
        if (found)
                return RESOLVED_CHANGED;
        r = read_invalidated(message);
        return r < 0 ? r : r > 0 ? RESOLVED_INVALIDATED : RESOLVED_UNCHANGED;
}
