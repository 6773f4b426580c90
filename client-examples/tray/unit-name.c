// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/unit-name.h"

#include <string.h>

static bool is_unit(const char *component) {
        return g_str_has_suffix(component, ".scope") || g_str_has_suffix(component, ".service");
}

/* The number in "user-1000.slice" and the like. */
static bool read_uid(const char *component, const char *prefix, const char *suffix, uid_t *ret) {
        g_autofree char *digits = NULL;
        guint64 number;

        if (!g_str_has_prefix(component, prefix) || !g_str_has_suffix(component, suffix) ||
                strlen(component) <= strlen(prefix) + strlen(suffix))
                return false;
        digits = g_strndup(
                component + strlen(prefix), strlen(component) - strlen(prefix) - strlen(suffix));
        if (!g_ascii_string_to_unsigned(digits, 10, 0, UNIT_NO_USER - 1, &number, NULL))
                return false;
        *ret = (uid_t)number;
        return true;
}

static UnitKind kind_of(const char *unit, uid_t owner, bool in_manager) {
        if (in_manager)
                return UNIT_USER;
        return owner != UNIT_NO_USER && g_str_has_prefix(unit, "session-") ? UNIT_SESSION
                                                                           : UNIT_SYSTEM;
}

Unit unit_read_group(const char *group) {
        Unit unit = { .kind = UNIT_NONE, .uid = UNIT_NO_USER };
        g_auto(GStrv) components = g_strsplit(group, "/", -1);
        uid_t owner = UNIT_NO_USER, manager = UNIT_NO_USER;
        bool in_manager = false;

        for (char **c = components; *c; c++) {
                (void)read_uid(*c, "user-", ".slice", &owner);
                if (owner != UNIT_NO_USER && !in_manager &&
                        read_uid(*c, "user@", ".service", &manager)) {
                        in_manager = true;
                } else if (is_unit(*c) && strcmp(*c, "init.scope") != 0) {
                        unit.kind = kind_of(*c, owner, in_manager);
                        unit.uid = owner;
                        unit.name = g_strdup(*c);
                        break;
                }
        }
        return unit;
}

void unit_clear(Unit *unit) {
        g_clear_pointer(&unit->name, g_free);
}

/* "\x2d" is a byte that may not stand in the name of a unit, systemd.unit(5). */
static char *unescape(const char *text) {
        GString *plain = g_string_new(NULL);

        for (const char *c = text; *c; c++) {
                if (c[0] == '\\' && c[1] == 'x' && g_ascii_isxdigit(c[2]) &&
                        g_ascii_isxdigit(c[3])) {
                        g_string_append_c(plain, (char)(g_ascii_xdigit_value(c[2]) * 16 +
                                                         g_ascii_xdigit_value(c[3])));
                        c += 3;
                } else {
                        g_string_append_c(plain, *c);
                }
        }
        return g_string_free(plain, FALSE);
}

/* The name before ".scope" or ".service", and before what makes an instance of it. */
static char *strip(const char *name, bool *ret_is_scope) {
        char *stem = g_strndup(name, (gsize)(strrchr(name, '.') - name));
        char *end;

        *ret_is_scope = g_str_has_suffix(name, ".scope");
        end = strrchr(stem, *ret_is_scope ? '-' : '@');
        if (end && end != stem)
                *end = '\0';
        return stem;
}

/* "snap.firefox.firefox-8a1c…" is the application firefox_firefox. */
static char *snap_application(const char *stem) {
        g_auto(GStrv) parts = g_strsplit(stem, ".", 4);

        return parts[1] && parts[2] ? g_strconcat(parts[1], "_", parts[2], NULL) : NULL;
}

char *unit_application(const char *name) {
        g_autofree char *stem = NULL;
        const char *id;
        bool is_scope;

        if (!is_unit(name))
                return NULL;
        if (g_str_has_prefix(name, "snap.")) {
                g_autofree char *cut = g_strndup(name, strcspn(name, "-@"));

                return snap_application(cut);
        }
        if (!g_str_has_prefix(name, "app-") && !g_str_has_prefix(name, "dbus-"))
                return NULL;
        stem = strip(name, &is_scope);
        id = strrchr(stem, '-');
        return id && id[1] ? unescape(id + 1) : NULL;
}

char *unit_short_name(const char *name) {
        g_autofree char *application = unit_application(name);
        g_autofree char *stem = NULL;

        if (application)
                return g_steal_pointer(&application);
        stem = g_strndup(name, is_unit(name) ? (gsize)(strrchr(name, '.') - name) : strlen(name));
        return unescape(stem);
}
