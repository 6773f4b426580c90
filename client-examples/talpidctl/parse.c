// SPDX-License-Identifier: LGPL-2.1-or-later

#include "parse.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <string.h>

#include "command.h"

#define ALL_OF_IPV4 "0.0.0.0/0"

/* Return: false. */
static bool usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool usage(GError **error, const char *format, ...) {
        va_list list;

        va_start(list, format);
        g_propagate_error(error, g_error_new_valist(CTL_ERROR, CTL_USAGE, format, list));
        va_end(list);
        return false;
}

/* --- addresses and numbers --- */

static int family_of(const char *text) {
        struct in6_addr bytes;
        int family = strchr(text, ':') ? AF_INET6 : AF_INET;

        return inet_pton(family, text, &bytes) == 1 ? family : AF_UNSPEC;
}

bool parse_address(const char *text, GError **error) {
        return family_of(text) != AF_UNSPEC ||
               usage(error, "\"%s\" is no address, as 192.0.2.1 or 2001:db8::1", text);
}

static char *read_prefix(const char *text) {
        const char *slash = strchr(text, '/');
        g_autofree char *address = g_strndup(text, slash ? (gsize)(slash - text) : strlen(text));
        int family = family_of(address);
        guint64 bits = family == AF_INET6 ? 128 : 32;

        if (family == AF_UNSPEC)
                return NULL;
        if (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, bits, &bits, NULL))
                return NULL;
        return g_strdup_printf("%s/%u", address, (unsigned)bits);
}

char *parse_prefix(const char *text, GError **error) {
        char *prefix = g_str_equal(text, "default") ? g_strdup(ALL_OF_IPV4) : read_prefix(text);

        if (!prefix)
                (void)usage(error, "\"%s\" is no destination, as 10.0.0.0/8 or fd00::/8", text);
        return prefix;
}

bool parse_number(const char *what, const char *text, guint32 *ret, GError **error) {
        bool is_hex = g_str_has_prefix(text, "0x");
        guint64 number;

        if (!g_ascii_string_to_unsigned(
                    is_hex ? text + 2 : text, is_hex ? 16 : 10, 0, G_MAXUINT32, &number, NULL)) {
                g_set_error(error, CTL_ERROR, CTL_USAGE, "%s: \"%s\" is no number", what, text);
                return false;
        }
        *ret = (guint32)number;
        return true;
}

/* --- words with a value --- */

typedef enum WordType {
        WORD_TEXT,
        WORD_ADDRESS,
        WORD_NODE,
        WORD_NUMBER,
        WORD_TABLE,
        WORD_USER,
} WordType;

typedef struct Word {
        const char *key;
        WordType type;
} Word;

static bool read_user(const char *text, guint32 *ret, GError **error) {
        const struct passwd *user = getpwnam(text);

        if (!user)
                return parse_number("uid", text, ret, error);
        *ret = user->pw_uid;
        return true;
}

static GVariant *read_value(const Word *word, const char *name, const char *text, GError **error) {
        static const char *const nodes[] = { "default", NULL };
        guint32 number;

        switch (word->type) {
        case WORD_NODE:
                return command_find_word(nodes, name, text, error) < 0
                               ? NULL
                               : g_variant_new_string(nodes[0]);
        case WORD_ADDRESS:
                return parse_address(text, error) ? g_variant_new_string(text) : NULL;
        case WORD_NUMBER:
                return parse_number(name, text, &number, error) ? g_variant_new_uint32(number)
                                                                : NULL;
        case WORD_USER:
                return read_user(text, &number, error) ? g_variant_new_uint32(number) : NULL;
        case WORD_TABLE:
                if (parse_number(name, text, &number, NULL))
                        return g_variant_new_uint32(number);
                return g_variant_new_string(text);
        case WORD_TEXT:
                return g_variant_new_string(text);
        }
        g_assert_not_reached();
}

/* Takes one pair; @names and @words have the same order. Return: false and @error. */
static bool take_pair(
        const char *const *names, const Word *words, char **at, GVariantDict *ret, GError **error) {
        int i = command_find_word(names, "word", at[0], error);
        GVariant *value;

        if (i < 0)
                return false;
        if (!at[1])
                return usage(error, "%s: what? The value is missing", names[i]);
        if (g_variant_dict_contains(ret, words[i].key))
                return usage(error, "%s is said twice", names[i]);
        value = read_value(&words[i], names[i], at[1], error);
        if (!value)
                return false;
        g_variant_dict_insert_value(ret, words[i].key, value);
        return true;
}

/* --- routes --- */

static const char *const route_names[] = { "via", "dev", "node", "metric", "mtu", "table", "type",
        NULL };
static const Word route_words[] = {
        { "gateway", WORD_ADDRESS },
        { "device", WORD_TEXT },
        { "node", WORD_NODE },
        { "metric", WORD_NUMBER },
        { "mtu", WORD_NUMBER },
        { "table", WORD_TABLE },
        { "type", WORD_TEXT },
};

static bool is_destination(const char *word) {
        g_autofree char *prefix = parse_prefix(word, NULL);

        return prefix != NULL;
}

/* One route: the destination and a copy of the words. */
static GVariant *make_route(const char *word, GVariant *entries) {
        g_autofree char *prefix = parse_prefix(word, NULL);
        GVariantDict route;
        const char *gateway;

        g_variant_dict_init(&route, entries);
        /* ip(8), too, takes the family of "default" from the next hop. */
        if (g_str_equal(word, "default") &&
                g_variant_dict_lookup(&route, "gateway", "&s", &gateway) && strchr(gateway, ':'))
                g_variant_dict_insert(&route, "destination", "s", "::/0");
        else
                g_variant_dict_insert(&route, "destination", "s", prefix);
        return g_variant_dict_end(&route);
}

static bool leads_somewhere(GVariantDict *entries) {
        static const char *const keys[] = { "gateway", "device", "node", "type" };

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (g_variant_dict_contains(entries, keys[i]))
                        return true;
        return false;
}

GVariant *parse_routes(char **words, ParseRoutes how, GError **error) {
        g_auto(GVariantBuilder) routes = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        char **first = words, **at = words;

        while (*at) {
                g_auto(GVariantDict) entries = G_VARIANT_DICT_INIT(NULL);
                g_autoptr(GVariant) told = NULL;
                char **end;

                for (first = at; *at && is_destination(*at); at++)
                        ;
                end = at;
                if (first == end) {
                        g_autofree char *prefix = parse_prefix(*at, error);

                        return NULL;
                }
                for (; *at && !is_destination(*at); at += 2)
                        if (!take_pair(route_names, route_words, at, &entries, error))
                                return NULL;
                if (how == PARSE_LEADS_SOMEWHERE && !leads_somewhere(&entries)) {
                        (void)usage(error,
                                "%s: where to? Say via ADDRESS, dev DEVICE or node default",
                                *first);
                        return NULL;
                }
                told = g_variant_ref_sink(g_variant_dict_end(&entries));
                for (; first < end; first++)
                        g_variant_builder_add_value(&routes, make_route(*first, told));
        }
        return g_variant_builder_end(&routes);
}

GVariant *parse_lookup(char **words, GError **error) {
        static const char *const names[] = { "mark", "uid", "pid", "dev", NULL };
        static const Word types[] = { { "mark", WORD_NUMBER }, { "uid", WORD_USER },
                { "pid", WORD_NUMBER }, { "device", WORD_TEXT } };
        g_auto(GVariantDict) entries = G_VARIANT_DICT_INIT(NULL);

        for (char **at = words; *at; at += 2)
                if (!take_pair(names, types, at, &entries, error))
                        return NULL;
        return g_variant_dict_end(&entries);
}

/* --- what is to be excluded --- */

static const char *const kinds[] = { "pid", "unit", "cgroup", "user", "network", "interface",
        NULL };
/* The service says what is the matter with them. */
static const char *const reserved_kinds[] = { "executable", "app", "domain", NULL };

static bool begins_kind(const char *word) {
        for (size_t i = 0; kinds[i]; i++)
                if (*word && g_str_has_prefix(kinds[i], word))
                        return true;
        return false;
}

/* Return: NULL and @error. Who gets it wrong has mostly named a program. */
static const char *find_kind(const char *word, GError **error) {
        g_autofree char *all = NULL;
        int i;

        if (g_strv_contains(reserved_kinds, word))
                return word;
        if (begins_kind(word)) {
                i = command_find_word(kinds, "kind", word, error);
                return i < 0 ? NULL : kinds[i];
        }
        all = g_strjoinv(", ", (char **)kinds);
        (void)usage(error,
                "there is no kind \"%s\"; there are: %s. Of a program name the processes: "
                "$(pgrep %s)",
                word, all, word);
        return NULL;
}

/* A word that speaks for itself. Return: its kind; NULL: it does not. */
static const char *guess_kind(const char *word) {
        static const char *const suffixes[] = { ".service", ".scope", ".slice", ".socket" };

        if (parse_number("pid", word, &(guint32){ 0 }, NULL))
                return "pid";
        for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
                if (g_str_has_suffix(word, suffixes[i]))
                        return "unit";
        return is_destination(word) && !g_str_equal(word, "default") ? "network" : NULL;
}

static bool add_item(const char *kind, const char *value, GArray *pids, GVariantBuilder *selectors,
        unsigned *n, GError **error) {
        g_autofree char *prefix = NULL;
        guint32 pid;

        if (g_str_equal(kind, "pid")) {
                if (!parse_number(kind, value, &pid, error))
                        return false;
                g_array_append_val(pids, pid);
                return true;
        }
        if (g_str_equal(kind, "network")) {
                prefix = parse_prefix(value, error);
                if (!prefix)
                        return false;
        }
        g_variant_builder_add(selectors, "(ss)", kind, prefix ?: value);
        (*n)++;
        return true;
}

bool parse_items(char **words, ParsedItems *ret, GError **error) {
        g_auto(GVariantBuilder) selectors = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(ss)"));
        g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(guint32));
        unsigned n = 0;

        for (char **at = words; *at; at++) {
                const char *kind = guess_kind(*at);

                if (!kind) {
                        kind = find_kind(*at, error);
                        if (!kind)
                                return false;
                        if (!*++at)
                                return usage(error, "%s: which? The value is missing", kind);
                }
                if (!add_item(kind, *at, pids, &selectors, &n, error))
                        return false;
        }
        ret->pids = g_steal_pointer(&pids);
        ret->selectors = n ? g_variant_ref_sink(g_variant_builder_end(&selectors)) : NULL;
        return true;
}

void parsed_items_clear(ParsedItems *items) {
        g_clear_pointer(&items->pids, g_array_unref);
        g_clear_pointer(&items->selectors, g_variant_unref);
}
