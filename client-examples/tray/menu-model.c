// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/menu-model.h"

#include <string.h>

#include "client-examples/tray/apps.h"

static void item_free(void *data) {
        MenuItem *item = data;

        g_free(item->label);
        g_free(item->icon);
        g_free(item->target);
        g_clear_pointer(&item->children, g_ptr_array_unref);
        g_free(item);
}

/* Messages of the service are sentences, and menus are narrow. */
static char *shorten(const char *text) {
        g_autofree char *head = NULL;

        if (g_utf8_strlen(text, -1) <= MENU_LABEL_CHARS_MAX)
                return g_strdup(text);
        head = g_utf8_substring(text, 0, MENU_LABEL_CHARS_MAX - 1);
        return g_strconcat(head, "…", NULL);
}

static MenuItem *add(GPtrArray *items, MenuKind kind, const char *label) {
        MenuItem *item = g_new0(MenuItem, 1);

        item->kind = kind;
        item->label = shorten(label);
        item->is_sensitive = kind != MENU_TEXT;
        g_ptr_array_add(items, item);
        return item;
}

G_GNUC_PRINTF(2, 3) static void add_text(GPtrArray *items, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list list;

        va_start(list, format);
        text = g_strdup_vprintf(format, list);
        va_end(list);
        (void)add(items, MENU_TEXT, text);
}

static void add_action(GPtrArray *items, const char *label, MenuAction action) {
        add(items, MENU_ACTION, label)->action = action;
}

/* --- status --- */

static char *describe_tunnel(const Status *status) {
        if (!status->is_there)
                return g_strdup("The service is not running");
        if (!status->tunnel)
                return g_strdup("No tunnel");
        if (status->tunnel_is_active)
                return g_strdup_printf("Tunnel: %s", status->tunnel);
        return status->tunnel_reason ? g_strdup_printf("Tunnel: %s waits: %s", status->tunnel,
                                               status->tunnel_reason)
                                     : g_strdup_printf("Tunnel: %s waits", status->tunnel);
}

static void add_links(GPtrArray *items, const Status *status) {
        const Link *four = &status->links[0], *six = &status->links[1];
        g_autofree char *title4 = link_title(four);
        g_autofree char *title6 = link_title(six);
        const char *metered = four->is_metered || six->is_metered ? ", metered" : "";

        if (!title4 && !title6)
                add_text(items, "No connection to the internet");
        else if (title4 && title6 && strcmp(title4, title6) != 0)
                add_text(items, "Internet: %s, IPv6: %s%s", title4, title6, metered);
        else
                add_text(items, "Internet: %s%s", title4 ?: title6, metered);
}

static void add_status(GPtrArray *items, const Status *status) {
        g_autofree char *tunnel = describe_tunnel(status);

        add_text(items, "%s", tunnel);
        if (!status->is_there) {
                add_action(items, "Start it", MENU_DO_WAKE);
                return;
        }
        add_links(items, status);
        for (guint i = 0; i < MIN(status->conflicts->len, MENU_CONFLICTS_MAX); i++)
                add_text(items, "⚠ %s", (const char *)g_ptr_array_index(status->conflicts, i));
}

/* --- applications --- */

/* What brings a selector back is another permission than what brings a process back. */
static Permission permission_for(const App *app, const Permissions *permissions) {
        Permission needed = app->is_own ? permissions->exclude_own : permissions->exclude_other;

        for (guint i = 0; i < app->listed->len; i++) {
                const Listed *listed = g_ptr_array_index(app->listed, i);

                if (strcmp(listed->by, "process") != 0 &&
                        !(app->is_own && strcmp(listed->by, "unit") == 0))
                        needed = MAX(needed, permissions->manage_selectors);
        }
        return needed;
}

static bool can_toggle(const App *app, const Status *status, const Permissions *permissions) {
        if (permission_for(app, permissions) == PERMISSION_NO)
                return false;
        return !status->is_there || (status->can_split && status->split_is_on);
}

static void add_app(
        GPtrArray *items, const App *app, const Status *status, const Permissions *permissions) {
        g_autofree char *label =
                app->way == APPS_LISTED_PARTLY ? g_strdup_printf("%s (in part)", app->title) : NULL;
        MenuItem *item = add(items, MENU_CHECK, label ?: app->title);

        item->action = MENU_DO_TOGGLE;
        item->target = g_strdup(app->key);
        item->icon = g_strdup(app->icon);
        item->is_checked = app->way != APPS_LISTED_NOT;
        item->is_sensitive = can_toggle(app, status, permissions);
}

static const char *title_of_listed(const Status *status) {
        if (status->is_there && !status->can_split)
                return "Programs cannot be told apart here";
        if (status->is_there && !status->split_is_on)
                return "Split tunnelling is switched off";
        return status->only_listed ? "Only these use the tunnel" : "Around the tunnel";
}

static void add_listed(
        GPtrArray *items, const Status *status, const Permissions *permissions, GPtrArray *apps) {
        guint n = 0;

        add_text(items, "%s", title_of_listed(status));
        for (guint i = 0; i < apps->len && n < MENU_LISTED_MAX; i++) {
                const App *app = g_ptr_array_index(apps, i);

                if (app->way == APPS_LISTED_NOT)
                        continue;
                add_app(items, app, status, permissions);
                n++;
        }
        if (n == 0)
                add_text(items, "None");
}

/* Why it is grey below, or all without a mark though some may be listed. */
static const char *describe_permission(Permission permission, bool own) {
        if (permission == PERMISSION_NO)
                return own ? "Refused by the rules of this machine (polkit)"
                           : "Refused and not told by the rules of this machine (polkit)";
        return permission == PERMISSION_PASSWORD && !own
                       ? "Which of these are listed is told after a password"
                       : NULL;
}

static void add_submenu(GPtrArray *items, const char *label, bool own, const Status *status,
        const Permissions *permissions, GPtrArray *apps) {
        MenuItem *submenu = add(items, MENU_SUBMENU, label);
        const char *why = describe_permission(
                own ? permissions->exclude_own : permissions->exclude_other, own);

        submenu->children = g_ptr_array_new_with_free_func(item_free);
        if (why && status->is_there)
                add_text(submenu->children, "%s", why);
        for (guint i = 0; i < apps->len; i++) {
                const App *app = g_ptr_array_index(apps, i);

                if (app->is_own == own)
                        add_app(submenu->children, app, status, permissions);
        }
        if (submenu->children->len == 0)
                add_text(submenu->children, "None");
}

GPtrArray *menu_model_build(const Status *status, const Permissions *permissions, GPtrArray *apps) {
        GPtrArray *items = g_ptr_array_new_with_free_func(item_free);

        add_status(items, status);
        (void)add(items, MENU_SEPARATOR, "");
        add_listed(items, status, permissions, apps);
        (void)add(items, MENU_SEPARATOR, "");
        add_submenu(items, "Running applications", /* own= */ true, status, permissions, apps);
        add_submenu(
                items, "Other users and the system", /* own= */ false, status, permissions, apps);
        (void)add(items, MENU_SEPARATOR, "");
        add_action(items, "Quit", MENU_DO_QUIT);
        return items;
}

bool menu_model_is_same(const MenuItem *left, const MenuItem *right) {
        bool is_named = left->kind == MENU_SUBMENU || left->kind == MENU_ACTION;

        return left->kind == right->kind && g_strcmp0(left->target, right->target) == 0 &&
               (!is_named || strcmp(left->label, right->label) == 0);
}

const char *menu_model_icon(const Status *status, char **ret_description) {
        *ret_description = describe_tunnel(status);
        if (!status->is_there || !status->tunnel)
                return "network-vpn-disabled-symbolic";
        if (!status->tunnel_is_active)
                return "network-vpn-acquiring-symbolic";
        return status->links[0].device || status->links[1].device ? "network-vpn-symbolic"
                                                                  : "network-vpn-no-route-symbolic";
}
