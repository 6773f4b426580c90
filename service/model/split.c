// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/split.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/facts/link.h"

static const char *const kind_names[_SELECTOR_KIND_MAX] = {
        [SELECTOR_UNIT] = "unit",
        [SELECTOR_CGROUP] = "cgroup",
        [SELECTOR_USER] = "user",
        [SELECTOR_NETWORK] = "network",
        [SELECTOR_INTERFACE] = "interface",
        [SELECTOR_EXECUTABLE] = "executable",
        [SELECTOR_APP] = "app",
        [SELECTOR_DOMAIN] = "domain",
};

static const char *const mode_names[_SPLIT_MODE_MAX] = {
        [SPLIT_EXCLUDE] = "exclude",
        [SPLIT_INCLUDE] = "include",
};

static const char *const dns_names[_SPLIT_DNS_MAX] = {
        [SPLIT_DNS_SYSTEM] = "system",
        [SPLIT_DNS_TUNNEL] = "tunnel",
};

const char *selector_kind_name(SelectorKind kind) {
        assert(kind < _SELECTOR_KIND_MAX);
        return kind_names[kind];
}

const char *split_mode_name(SplitMode mode) {
        assert(mode < _SPLIT_MODE_MAX);
        return mode_names[mode];
}

const char *split_dns_name(SplitDns dns) {
        assert(dns < _SPLIT_DNS_MAX);
        return dns_names[dns];
}

static int find_name(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -EINVAL;
}

int split_mode_parse(const char *name) {
        return find_name(mode_names, _SPLIT_MODE_MAX, name);
}

int split_dns_parse(const char *name) {
        return find_name(dns_names, _SPLIT_DNS_MAX, name);
}

int group_place_compare(const void *a, const void *b) {
        return strcmp(((const GroupPlace *)a)->path, ((const GroupPlace *)b)->path);
}

int selector_compare(const void *a, const void *b) {
        const Selector *x = a, *y = b;
        int c;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        c = strcmp(x->value, y->value);
        if (c != 0)
                return c;
        if (x->uid != y->uid)
                return x->uid < y->uid ? -1 : 1;
        return x->owner < y->owner ? -1 : x->owner > y->owner;
}

int split_group_compare(const void *a, const void *b) {
        const SplitGroup *x = a, *y = b;
        int c = strcmp(x->path, y->path);

        if (c != 0)
                return c;
        return x->owner < y->owner ? -1 : x->owner > y->owner;
}

bool group_path_is_valid(const char *path) {
        if (!*path || strlen(path) >= GROUP_PATH_MAX)
                return false;

        for (const char *part = path;; part += strcspn(part, "/") + 1) {
                size_t length = strcspn(part, "/");

                if (length == 0 || (length == 1 && part[0] == '.') ||
                        (length == 2 && part[0] == '.' && part[1] == '.'))
                        return false;
                for (size_t i = 0; i < length; i++)
                        if ((unsigned char)part[i] < ' ' || part[i] == 0x7f)
                                return false;
                if (part[length] == '\0')
                        return true;
        }
}

static int parse_uid(const char *text, uint32_t *ret) {
        unsigned long long value;
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || *end || value >= UINT32_MAX) /* (uid_t) -1 is nobody's, see chown(2) */
                return -EINVAL;
        *ret = (uint32_t)value;
        return 0;
}

static void set_value(Selector *selector, const char *value) {
        memset(selector->value, 0, sizeof(selector->value));
        (void)snprintf(selector->value, sizeof(selector->value), "%s", value);
}

/* A unit that systemd could give no group would be waited for without end. */
static int parse_unit(uid_t uid, Selector *selector) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];

        selector->uid = uid;
        return unit_name_is_valid(selector->value) && selector_paths(selector, paths) > 0 ? 0
                                                                                          : -EINVAL;
}

/* "0010" and "10" are one user. */
static int parse_user(Selector *selector) {
        char text[16];
        int r = parse_uid(selector->value, &selector->uid);

        if (r < 0)
                return r;
        (void)snprintf(text, sizeof(text), "%u", selector->uid);
        set_value(selector, text);
        return 0;
}

static int parse_network(Selector *selector) {
        char text[PREFIX_TEXT_MAX];

        if (prefix_parse(selector->value, &selector->prefix) < 0 || selector->prefix.length == 0)
                return -EINVAL;
        set_value(selector, prefix_format(&selector->prefix, text));
        return 0;
}

static int parse_value(uid_t uid, Selector *selector) {
        switch (selector->kind) {
        case SELECTOR_UNIT:
                return parse_unit(uid, selector);
        case SELECTOR_CGROUP:
                return group_path_is_valid(selector->value) ? 0 : -EINVAL;
        case SELECTOR_USER:
                return parse_user(selector);
        case SELECTOR_NETWORK:
                return parse_network(selector);
        case SELECTOR_INTERFACE:
                return link_name_is_valid(selector->value) ? 0 : -EINVAL;
        case SELECTOR_EXECUTABLE:
        case SELECTOR_APP:
        case SELECTOR_DOMAIN:
        case _SELECTOR_KIND_MAX:
                break;
        }
        return -EINVAL;
}

int selector_parse(const char *kind, const char *value, uid_t uid, Selector *ret, Refusal *why) {
        static const char *const wanted[_SELECTOR_KIND_MAX] = {
                [SELECTOR_UNIT] = "the name of a unit, such as firefox.service",
                [SELECTOR_CGROUP] = "a path below the cgroup2 root, such as user.slice/x",
                [SELECTOR_USER] = "the name or number of a user",
                [SELECTOR_NETWORK] = "a prefix longer than /0 and without host bits",
                [SELECTOR_INTERFACE] = "the name of a network interface",
        };
        Selector selector = { 0 };
        int found = find_name(kind_names, _SELECTOR_KIND_MAX, kind);

        if (found < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "there is no kind of selector '%.32s': unit, cgroup, user, network, "
                        "interface",
                        kind);
        if (!wanted[found])
                return refusal_set(why, REFUSAL_NOT_SUPPORTED,
                        "selectors of kind '%s' are not supported yet", kind);
        selector.kind = (SelectorKind)found;
        if (strlen(value) >= SELECTOR_VALUE_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "the value of a selector '%s' is longer than %d bytes", kind,
                        SELECTOR_VALUE_MAX - 1);

        set_value(&selector, value);
        if (parse_value(uid, &selector) < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s '%.128s' is not %s", kind, value,
                        wanted[selector.kind]);
        *ret = selector;
        return 0;
}

size_t selector_paths(const Selector *selector, char paths[static UNIT_PATHS_MAX][GROUP_PATH_MAX]) {
        if (selector->kind == SELECTOR_CGROUP) {
                (void)snprintf(paths[0], GROUP_PATH_MAX, "%s", selector->value);
                return 1;
        }
        if (selector->kind != SELECTOR_UNIT)
                return 0;
        return unit_paths(selector->value, selector->uid, paths);
}

void split_clear(Split *split) {
        array_clear(&split->selectors);
        array_clear(&split->groups);
        *split = SPLIT_INIT;
}

int split_copy(Split *to, const Split *from) {
        if (array_copy(&to->selectors, &from->selectors) < 0 ||
                array_copy(&to->groups, &from->groups) < 0)
                return -ENOMEM;
        to->disabled = from->disabled;
        to->mode = from->mode;
        to->dns = from->dns;
        return 0;
}

const SplitGroup *split_next_group(const Split *split, const SplitGroup *last) {
        const SplitGroup *group;

        ARRAY_FOREACH(group, &split->groups) {
                if (last && group <= last)
                        group = last; /* go on behind it */
                else if (!last || strcmp(group->path, last->path) != 0)
                        return group;
        }
        return NULL;
}

bool split_is_empty(const Split *split) {
        return split->selectors.n == 0 && split->groups.n == 0 && !split->disabled &&
               split->mode == SPLIT_EXCLUDE && split->dns == SPLIT_DNS_SYSTEM;
}

bool split_is_active(const Split *split) {
        return !split->disabled &&
               (split->selectors.n > 0 || split->groups.n > 0 || split->mode == SPLIT_INCLUDE);
}

bool split_lists_groups(const Split *split) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &split->selectors) {
                if (selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP)
                        return true;
        }
        return split->groups.n > 0;
}
