// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/prefix.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/base/cleanup.h"

size_t family_size_bytes(int family) {
        return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

unsigned family_size_bits(int family) {
        return (unsigned)family_size_bytes(family) * 8;
}

const char *family_name(int family) {
        return family == AF_INET ? "ipv4" : family == AF_INET6 ? "ipv6" : "none";
}

int family_parse(const char *name) {
        if (strcmp(name, "ipv4") == 0)
                return AF_INET;
        if (strcmp(name, "ipv6") == 0)
                return AF_INET6;
        return -EINVAL;
}

int address_parse(const char *text, Address *ret) {
        Address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

        if (inet_pton(address.family, text, address.bytes) != 1)
                return -EINVAL;

        *ret = address;
        return 0;
}

const char *address_format(const Address *address, char text[static ADDRESS_TEXT_MAX]) {
        if (!address_is_set(address) ||
                !inet_ntop(address->family, address->bytes, text, ADDRESS_TEXT_MAX))
                text[0] = '\0';
        return text;
}

bool address_is_set(const Address *address) {
        return address->family != 0;
}

int address_compare(const Address *a, const Address *b) {
        if (a->family != b->family)
                return a->family < b->family ? -1 : 1;
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Clears the bits behind @length. Return: whether any was set. */
static bool clear_host_bits(uint8_t bytes[static 16], unsigned length) {
        bool any = false;

        for (unsigned i = 0; i < 16; i++) {
                unsigned kept = length > i * 8 ? length - i * 8 : 0;
                uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

                any = any || (bytes[i] & ~mask);
                bytes[i] &= mask;
        }
        return any;
}

/* Return: 0 … 128 for one to three digits; -EINVAL otherwise. */
static int parse_length(const char *text) {
        int length = 0;

        if (!*text || strlen(text) > 3 || (text[0] == '0' && text[1]))
                return -EINVAL;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                length = length * 10 + (*text - '0');
        }
        return length;
}

int prefix_parse(const char *text, Prefix *ret) {
        const char *slash = strchr(text, '/');
        char address_text[ADDRESS_TEXT_MAX];
        Address address;
        Prefix prefix;
        int length;

        if (!slash)
                slash = text + strlen(text);
        if ((size_t)(slash - text) >= sizeof(address_text))
                return -EINVAL;
        memcpy(address_text, text, (size_t)(slash - text));
        address_text[slash - text] = '\0';

        if (address_parse(address_text, &address) < 0)
                return -EINVAL;

        length = *slash ? parse_length(slash + 1) : (int)family_size_bits(address.family);
        if (length < 0 || length > (int)family_size_bits(address.family))
                return -EINVAL;

        prefix = (Prefix){ .family = address.family, .length = (uint8_t)length };
        memcpy(prefix.bytes, address.bytes, sizeof(prefix.bytes));
        if (clear_host_bits(prefix.bytes, prefix.length))
                return -ERANGE;

        *ret = prefix;
        return 0;
}

const char *prefix_format(const Prefix *prefix, char text[static PREFIX_TEXT_MAX]) {
        Address address = prefix_address(prefix);
        char address_text[ADDRESS_TEXT_MAX];

        (void)snprintf(text, PREFIX_TEXT_MAX, "%s/%u", address_format(&address, address_text),
                prefix->length);
        return text;
}

int prefix_compare(const Prefix *a, const Prefix *b) {
        int c;

        if (a->family != b->family)
                return a->family < b->family ? -1 : 1;
        c = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
        if (c != 0)
                return c;
        return a->length < b->length ? -1 : a->length > b->length;
}

Prefix prefix_of_address(const Address *address, unsigned length) {
        Prefix prefix = { .family = address->family, .length = (uint8_t)length };

        assert(length <= family_size_bits(address->family));

        memcpy(prefix.bytes, address->bytes, sizeof(prefix.bytes));
        (void)clear_host_bits(prefix.bytes, length);
        return prefix;
}

Address prefix_address(const Prefix *prefix) {
        Address address = { .family = prefix->family };

        memcpy(address.bytes, prefix->bytes, sizeof(address.bytes));
        return address;
}

bool prefix_contains(const Prefix *prefix, const Address *address) {
        Prefix around;

        if (prefix->family != address->family || prefix->family == 0)
                return false;
        around = prefix_of_address(address, prefix->length);
        return prefix_compare(prefix, &around) == 0;
}

bool prefix_covers(const Prefix *outer, const Prefix *inner) {
        Address address = prefix_address(inner);

        return inner->length >= outer->length && prefix_contains(outer, &address);
}

Prefix prefix_default(int family) {
        return (Prefix){ .family = (uint8_t)family };
}

bool prefix_is_private(const Prefix *prefix) {
        static const Prefix private_space[] = {
                { AF_INET, 8, { 10 } },
                { AF_INET, 12, { 172, 16 } },
                { AF_INET, 16, { 192, 168 } },
                { AF_INET, 16, { 169, 254 } },
                { AF_INET6, 7, { 0xfc } },
                { AF_INET6, 10, { 0xfe, 0x80 } },
        };

        for (size_t i = 0; i < ARRAY_LENGTH(private_space); i++)
                if (prefix_covers(&private_space[i], prefix))
                        return true;
        return false;
}
