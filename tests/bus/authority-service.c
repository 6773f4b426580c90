// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The smallest service that uses polkit/authority.h, for test-authority.
 *
 * Owns org.talpid.Routing; object /test, interface org.talpid.Test.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "polkit/authority.h"

#define DETAILS_MAX 16

typedef struct Service {
        sd_bus *bus;
        Authority *authority;
        unsigned n_passes;
} Service;

/* Do(s action, as details) → s: what a writing method does. */
static int handle_do(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;
        const char *details[DETAILS_MAX + 1] = {};
        const char *action;
        int r;

        r = sd_bus_message_read(message, "s", &action);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(message, 'a', "s");
        if (r < 0)
                return r;
        for (size_t n = 0; n < DETAILS_MAX; n++) {
                r = sd_bus_message_read(message, "s", &details[n]);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
        }

        r = authority_check(service->authority, message, action, details, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return sd_bus_reply_method_return(message, "s", "done");
}

/* DoChanging(s action, s what) → s: asks something else on each pass; what: "action", "details". */
static int handle_do_changing(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;
        const char *action, *what;
        char pass[16];
        const char *details[] = { "pass", pass, NULL };
        bool first;
        int r;

        r = sd_bus_message_read(message, "ss", &action, &what);
        if (r < 0)
                return r;

        first = service->n_passes++ % 2 == 0;
        (void)snprintf(pass, sizeof(pass), "%d", strcmp(what, "details") == 0 ? first : 0);
        if (strcmp(what, "action") == 0 && !first)
                action = "org.talpid.Routing.set-default-route";

        r = authority_check(service->authority, message, action, details, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return sd_bus_reply_method_return(message, "s", "done");
}

/* WhoAmI() → u */
static int handle_who_am_i(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;
        uid_t uid;
        int r;

        r = authority_get_uid(service->authority, message, &uid, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return sd_bus_reply_method_return(message, "u", (uint32_t)uid);
}

/* WhoDoes(s action) → uu: the uid before and after the permission, as GetRoute may want it. */
static int handle_who_does(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;
        uid_t before, after;
        const char *action;
        int r;

        r = sd_bus_message_read(message, "s", &action);
        if (r < 0)
                return r;
        r = authority_get_uid(service->authority, message, &before, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = authority_check(service->authority, message, action, NULL, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = authority_get_uid(service->authority, message, &after, ret_error);
        if (r <= 0)
                return sd_bus_error_set(ret_error, "org.talpid.Error.Test", "uid forgotten");
        return sd_bus_reply_method_return(message, "uu", (uint32_t)before, (uint32_t)after);
}

static void on_permissions(sd_bus_message *message, int r, const AuthorityPermission *permissions,
        size_t n_permissions, void *userdata) {
        sd_bus_message *reply = NULL;

        if (r < 0) {
                (void)sd_bus_reply_method_errnof(message, r, "cancelled");
                return;
        }

        if (sd_bus_message_new_method_return(message, &reply) < 0 ||
                sd_bus_message_open_container(reply, 'a', "{ss}") < 0)
                return;
        for (size_t i = 0; i < n_permissions; i++)
                (void)sd_bus_message_append(
                        reply, "{ss}", permissions[i].action, permissions[i].answer);
        (void)sd_bus_message_close_container(reply);
        (void)sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
}

/* GetPermissions() → a{ss} */
static int handle_get_permissions(
        sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        static const char *const actions[] = { "org.talpid.Routing.manage-routes",
                "org.talpid.Routing.set-default-route", "org.talpid.Routing.inspect", NULL };
        Service *service = userdata;
        int r;

        r = authority_get_permissions(
                service->authority, message, actions, on_permissions, NULL, ret_error);
        return r < 0 ? r : 1;
}

/* CountPending() → u */
static int handle_count_pending(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;

        return sd_bus_reply_method_return(message, "u", authority_n_pending(service->authority));
}

/* Stop(): as at the end of the service. */
static int handle_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Service *service = userdata;
        int r;

        service->authority = authority_free(service->authority);
        r = sd_bus_reply_method_return(message, NULL);
        if (r < 0)
                return r;
        r = sd_event_exit(sd_bus_get_event(service->bus), 0);
        return r < 0 ? r : 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Do", "sas", "s", handle_do, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("DoChanging", "ss", "s", handle_do_changing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("WhoAmI", "", "u", handle_who_am_i, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("WhoDoes", "s", "uu", handle_who_does, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD(
                "GetPermissions", "", "a{ss}", handle_get_permissions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CountPending", "", "u", handle_count_pending, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Stop", "", "", handle_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int run(Service *service, sd_event *event) {
        int r;

        r = sd_bus_open_system(&service->bus);
        if (r < 0)
                return r;
        r = sd_bus_set_exit_on_disconnect(service->bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(service->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = authority_new(service->bus, &service->authority);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(
                service->bus, NULL, "/test", "org.talpid.Test", vtable, service);
        if (r < 0)
                return r;
        r = sd_bus_request_name(service->bus, "org.talpid.Routing", 0);
        if (r < 0)
                return r;
        return sd_event_loop(event);
}

int main(void) {
        Service service = {};
        sd_event *event = NULL;
        int r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = run(&service, event);
        if (r < 0)
                fprintf(stderr, "authority-service: %s\n", strerror(-r));

        authority_free(service.authority);
        sd_bus_flush_close_unref(service.bus);
        sd_event_unref(event);
        return r < 0 ? 1 : 0;
}
