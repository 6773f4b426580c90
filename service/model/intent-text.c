// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/intent-text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/facts/link.h"
#include "service/model/numbers.h"

#define HEADER "talpid-intent 1"
#define TRAILER "end"
#define LINE_MAX_BYTES 2048
#define SPLIT_ITEMS_MAX 65536 /* of one kind; far more than the limits of many users */

static const char *const carry_names[] = {
        [CARRY_AUTO] = "auto",
        [CARRY_YES] = "yes",
        [CARRY_NO] = "no",
};

static void write_numbers(FILE *out, const Ours *ours) {
        if (ours->mark)
                (void)fprintf(out,
                        "numbers mark=%u mask=%u tunnel-table=%u excluded-table=%u priority=%u\n",
                        ours->mark, ours->mark_mask, ours->tunnel_table, ours->excluded_table,
                        ours->rule_priority);
}

static void write_route(FILE *out, const WantedRoute *wanted) {
        char destination[PREFIX_TEXT_MAX], gateway[ADDRESS_TEXT_MAX];
        const Route *route = &wanted->route;

        (void)fprintf(out,
                "route owner=%u destination=%s type=%u table=%u metric=%u mtu=%u onlink=%d "
                "symbolic=%d gateway=%s device=%s\n",
                wanted->owner, prefix_format(&route->destination, destination), route->type,
                route->table, route->metric, route->mtu, route->onlink, wanted->symbolic,
                address_format(&route->gateway, gateway), wanted->device);
}

/* Values hold no blanks: "%20". Other control bytes cannot be in them. */
static void write_escaped(FILE *out, const char *key, const char *value) {
        (void)fprintf(out, " %s=", key);
        for (; *value; value++)
                if (*value == ' ' || *value == '%')
                        (void)fprintf(out, "%%%02x", (unsigned char)*value);
                else
                        (void)fputc(*value, out);
}

static void write_tunnel(FILE *out, const WantedTunnel *tunnel) {
        const Prefix *bypass;
        char text[PREFIX_TEXT_MAX];

        (void)fprintf(out,
                "tunnel owner=%u device=%s ipv4=%s ipv6=%s mtu=%u allow-lan=%d fail-closed=%d",
                tunnel->owner, tunnel->device, carry_names[tunnel->ipv4], carry_names[tunnel->ipv6],
                tunnel->mtu, tunnel->allow_lan, tunnel->fail_closed);
        if (tunnel->setter[0])
                write_escaped(out, "setter", tunnel->setter);
        (void)fputc('\n', out);
        ARRAY_FOREACH(bypass, &tunnel->bypass)
                (void)fprintf(out, "bypass destination=%s\n", prefix_format(bypass, text));
}

static void write_split(FILE *out, const Split *split) {
        const SplitGroup *group;
        const Selector *selector;

        if (split->disabled || split->mode != SPLIT_EXCLUDE || split->dns != SPLIT_DNS_SYSTEM)
                (void)fprintf(out, "split disabled=%d mode=%s dns=%s\n", split->disabled,
                        split_mode_name(split->mode), split_dns_name(split->dns));
        ARRAY_FOREACH(selector, &split->selectors) {
                (void)fprintf(out,
                        "selector owner=%u permanent=%d uid=%u since=%" PRIu64 " kind=%s",
                        selector->owner, selector->permanent, selector->uid, selector->since_usec,
                        selector_kind_name(selector->kind));
                write_escaped(out, "value", selector->value);
                (void)fputc('\n', out);
        }
        ARRAY_FOREACH(group, &split->groups) {
                (void)fprintf(out, "group owner=%u", group->owner);
                write_escaped(out, "path", group->path);
                (void)fputc('\n', out);
        }
}

int intent_text_format(const Intent *intent, char **ret) {
        const WantedRoute *wanted;
        const Owner *owner;
        char *text = NULL;
        size_t size;
        FILE *out;

        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;

        (void)fprintf(out, HEADER "\n");
        write_numbers(out, &intent->ours);
        ARRAY_FOREACH(owner, &intent->owners)
                (void)fprintf(out, "owner uid=%u name=%s\n", owner->uid, owner->name);
        ARRAY_FOREACH(wanted, &intent->routes)
                write_route(out, wanted);
        if (intent_has_tunnel(intent))
                write_tunnel(out, &intent->tunnel);
        write_split(out, &intent->split);
        (void)fprintf(out, TRAILER "\n");

        /* Errors of the stream, memory alone, show when it is closed. */
        if (fclose(out) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Finds " key=" in @line and copies what follows up to the blank. Return: 0; -EBADMSG. */
static int read_text(const char *line, const char *key, char *ret, size_t size) {
        size_t key_length = strlen(key);

        for (const char *at = strchr(line, ' '); at; at = strchr(at + 1, ' ')) {
                const char *value = at + 1 + key_length + 1;
                size_t length;

                if (strncmp(at + 1, key, key_length) != 0 || at[1 + key_length] != '=')
                        continue;
                length = strcspn(value, " ");
                if (length >= size)
                        return -EBADMSG;
                memcpy(ret, value, length);
                ret[length] = '\0';
                return 0;
        }
        return -EBADMSG;
}

static int read_number(const char *line, const char *key, uint32_t max, uint32_t *ret) {
        char text[16], *end;
        unsigned long value;

        if (read_text(line, key, text, sizeof(text)) < 0 || text[0] < '0' || text[0] > '9')
                return -EBADMSG;
        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno || *end || value > max)
                return -EBADMSG;
        *ret = (uint32_t)value;
        return 0;
}

/* Microseconds. */
static int read_time(const char *line, const char *key, uint64_t *ret) {
        char text[24], *end;

        if (read_text(line, key, text, sizeof(text)) < 0 || text[0] < '0' || text[0] > '9')
                return -EBADMSG;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno || *end ? -EBADMSG : 0;
}

static int read_flag(const char *line, const char *key, bool *ret) {
        uint32_t value;

        if (read_number(line, key, 1, &value) < 0)
                return -EBADMSG;
        *ret = value;
        return 0;
}

static int read_prefix(const char *line, Prefix *ret) {
        char text[PREFIX_TEXT_MAX];

        if (read_text(line, "destination", text, sizeof(text)) < 0 || prefix_parse(text, ret) < 0)
                return -EBADMSG;
        return 0;
}

/* A device name, or nothing. */
static int read_device(const char *line, char ret[static IFNAMSIZ]) {
        if (read_text(line, "device", ret, IFNAMSIZ) < 0 || (ret[0] && !link_name_is_valid(ret)))
                return -EBADMSG;
        return 0;
}

static int read_carry(const char *line, const char *key, Carry *ret) {
        char text[8];

        if (read_text(line, key, text, sizeof(text)) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < ARRAY_LENGTH(carry_names); i++)
                if (strcmp(text, carry_names[i]) == 0) {
                        *ret = (Carry)i;
                        return 0;
                }
        return -EBADMSG;
}

static int parse_numbers(const char *line, Intent *intent) {
        Ours *ours = &intent->ours;

        if (ours->mark || read_number(line, "mark", UINT32_MAX, &ours->mark) < 0 ||
                read_number(line, "mask", UINT32_MAX, &ours->mark_mask) < 0 ||
                read_number(line, "tunnel-table", UINT32_MAX, &ours->tunnel_table) < 0 ||
                read_number(line, "excluded-table", UINT32_MAX, &ours->excluded_table) < 0 ||
                read_number(line, "priority", UINT32_MAX, &ours->rule_priority) < 0 ||
                numbers_check(ours, NULL) < 0)
                return -EBADMSG;
        return 0;
}

static int parse_owner(const char *line, Intent *intent) {
        Owner owner = { 0 };

        if (read_number(line, "uid", UINT32_MAX, &owner.uid) < 0 ||
                read_text(line, "name", owner.name, sizeof(owner.name)) < 0)
                return -EBADMSG;
        return array_append(&intent->owners, &owner) ? 0 : -ENOMEM;
}

static int read_owner_index(const char *line, const Intent *intent, uint32_t *ret) {
        if (intent->owners.n == 0)
                return -EBADMSG;
        return read_number(line, "owner", (uint32_t)intent->owners.n - 1, ret);
}

/* Whether clients could have asked for @wanted. */
static bool is_sound(const WantedRoute *wanted) {
        const char *type = route_type_name(wanted->route.type);

        if (!type || route_type_parse(type) < 0)
                return false;
        return !wanted->symbolic || (!wanted->device[0] && !address_is_set(&wanted->route.gateway));
}

static int parse_route(const char *line, Intent *intent) {
        WantedRoute wanted = { 0 };
        Route *route = &wanted.route;
        char gateway[ADDRESS_TEXT_MAX];
        uint32_t type;

        if (read_owner_index(line, intent, &wanted.owner) < 0 ||
                read_prefix(line, &route->destination) < 0 ||
                read_number(line, "type", UINT8_MAX, &type) < 0 ||
                read_number(line, "table", UINT32_MAX, &route->table) < 0 ||
                read_number(line, "metric", UINT32_MAX, &route->metric) < 0 ||
                read_number(line, "mtu", UINT32_MAX, &route->mtu) < 0 ||
                read_flag(line, "onlink", &route->onlink) < 0 ||
                read_flag(line, "symbolic", &wanted.symbolic) < 0 ||
                read_text(line, "gateway", gateway, sizeof(gateway)) < 0 ||
                (gateway[0] && address_parse(gateway, &route->gateway) < 0) ||
                read_device(line, wanted.device) < 0)
                return -EBADMSG;
        route->type = (uint8_t)type;
        if (!is_sound(&wanted))
                return -EBADMSG;
        return array_append(&intent->routes, &wanted) ? 0 : -ENOMEM;
}

static int parse_hex(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -EBADMSG;
}

static int read_escaped(const char *line, const char *key, char *ret, size_t size) {
        char text[LINE_MAX_BYTES];
        size_t n = 0;

        if (read_text(line, key, text, sizeof(text)) < 0)
                return -EBADMSG;
        for (const char *at = text; *at; at++) {
                char c = *at;

                if (c == '%') {
                        int high = parse_hex(at[1]), low = high < 0 ? high : parse_hex(at[2]);

                        if (low < 0)
                                return -EBADMSG;
                        c = (char)(high << 4 | low);
                        at += 2;
                }
                if (c == '\0' || n + 1 >= size)
                        return -EBADMSG;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return 0;
}

static int parse_tunnel(const char *line, Intent *intent) {
        WantedTunnel *tunnel = &intent->tunnel;

        if (intent_has_tunnel(intent) || read_owner_index(line, intent, &tunnel->owner) < 0 ||
                read_device(line, tunnel->device) < 0 || !tunnel->device[0] ||
                read_carry(line, "ipv4", &tunnel->ipv4) < 0 ||
                read_carry(line, "ipv6", &tunnel->ipv6) < 0 ||
                read_number(line, "mtu", UINT32_MAX, &tunnel->mtu) < 0 ||
                read_flag(line, "allow-lan", &tunnel->allow_lan) < 0 ||
                read_flag(line, "fail-closed", &tunnel->fail_closed) < 0)
                return -EBADMSG;
        if (strstr(line, " setter=") &&
                read_escaped(line, "setter", tunnel->setter, sizeof(tunnel->setter)) < 0)
                return -EBADMSG;
        return 0;
}

static int parse_bypass(const char *line, Intent *intent) {
        Prefix prefix;

        if (!intent_has_tunnel(intent) || read_prefix(line, &prefix) < 0 || prefix.length == 0)
                return -EBADMSG;
        return array_append(&intent->tunnel.bypass, &prefix) ? 0 : -ENOMEM;
}

static int parse_split(const char *line, Intent *intent) {
        Split *split = &intent->split;
        char mode[16], dns[16];
        int r;

        if (split->disabled || split->mode != SPLIT_EXCLUDE || split->dns != SPLIT_DNS_SYSTEM)
                return -EBADMSG; /* there was such a line already */
        if (read_flag(line, "disabled", &split->disabled) < 0 ||
                read_text(line, "mode", mode, sizeof(mode)) < 0 ||
                read_text(line, "dns", dns, sizeof(dns)) < 0)
                return -EBADMSG;
        r = split_mode_parse(mode);
        if (r < 0)
                return -EBADMSG;
        split->mode = (SplitMode)r;
        r = split_dns_parse(dns);
        if (r < 0)
                return -EBADMSG;
        split->dns = (SplitDns)r;
        return 0;
}

/* A selector is read again as clients write it, so that nothing else can come in. */
static int parse_selector(const char *line, Intent *intent) {
        char kind[16], value[SELECTOR_VALUE_MAX];
        Selector selector;
        uint32_t owner, uid;
        uint64_t since_usec;
        bool permanent;

        if (intent->split.selectors.n >= SPLIT_ITEMS_MAX ||
                read_owner_index(line, intent, &owner) < 0 ||
                read_flag(line, "permanent", &permanent) < 0 ||
                read_number(line, "uid", UINT32_MAX, &uid) < 0 ||
                read_time(line, "since", &since_usec) < 0 ||
                read_text(line, "kind", kind, sizeof(kind)) < 0 ||
                read_escaped(line, "value", value, sizeof(value)) < 0 ||
                selector_parse(kind, value, uid, &selector, NULL) < 0)
                return -EBADMSG;
        if (strcmp(selector.value, value) != 0 || selector.uid != uid ||
                (permanent && intent_owner(intent, owner)->name[0]))
                return -EBADMSG;
        selector.owner = owner;
        selector.permanent = permanent;
        selector.since_usec = since_usec;
        return array_append(&intent->split.selectors, &selector) ? 0 : -ENOMEM;
}

static int parse_group(const char *line, Intent *intent) {
        SplitGroup group = { .owner = 0 };

        if (intent->split.groups.n >= SPLIT_ITEMS_MAX ||
                read_owner_index(line, intent, &group.owner) < 0 ||
                read_escaped(line, "path", group.path, sizeof(group.path)) < 0 ||
                !group_path_is_valid(group.path))
                return -EBADMSG;
        return array_append(&intent->split.groups, &group) ? 0 : -ENOMEM;
}

static int parse_line(const char *line, Intent *intent) {
        static const struct {
                const char *word;
                int (*parse)(const char *line, Intent *intent);
        } items[] = {
                { "numbers ", parse_numbers },
                { "owner ", parse_owner },
                { "route ", parse_route },
                { "tunnel ", parse_tunnel },
                { "bypass ", parse_bypass },
                { "split ", parse_split },
                { "selector ", parse_selector },
                { "group ", parse_group },
        };

        for (size_t i = 0; i < ARRAY_LENGTH(items); i++)
                if (strncmp(line, items[i].word, strlen(items[i].word)) == 0)
                        return items[i].parse(line, intent);
        return -EBADMSG;
}

/* Copies the line at @text without its end. Return: where the next begins; NULL: none, too long. */
static const char *next_line(const char *text, char line[static LINE_MAX_BYTES]) {
        const char *end = strchr(text, '\n');

        if (!end || end - text >= LINE_MAX_BYTES)
                return NULL;
        memcpy(line, text, (size_t)(end - text));
        line[end - text] = '\0';
        return end + 1;
}

/* Sorts, and sees that nothing is there twice. */
static int sort_unique(Array *array, ArrayCompare compare) {
        if (array_sort(array, compare) < 0)
                return -ENOMEM;
        for (size_t i = 1; i < array->n; i++)
                if (compare(array_at(array, i - 1), array_at(array, i)) == 0)
                        return -EBADMSG;
        return 0;
}

/* Puts what was read in order. Return: 0; -EBADMSG an owner has something twice; -ENOMEM. */
static int sort_all(Intent *intent) {
        int r = sort_unique(&intent->routes, wanted_route_compare);

        if (r >= 0)
                r = sort_unique(&intent->split.selectors, selector_compare);
        return r < 0 ? r : sort_unique(&intent->split.groups, split_group_compare);
}

int intent_text_parse(const char *text, Intent *ret) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        char line[LINE_MAX_BYTES];
        int r;

        text = next_line(text, line);
        if (!text || strcmp(line, HEADER) != 0)
                return -EBADMSG;

        while ((text = next_line(text, line))) {
                if (strcmp(line, TRAILER) == 0) {
                        r = *text ? -EBADMSG : sort_all(&intent);
                        if (r < 0)
                                return r;
                        intent_clear(ret);
                        *ret = intent;
                        intent = INTENT_INIT;
                        return 0;
                }
                r = parse_line(line, &intent);
                if (r < 0)
                        return r;
        }
        return -EBADMSG;
}
