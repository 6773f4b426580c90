// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/resolved/resolved-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/dbus-peer/dbus-peer.h"
#include "backends/resolved/resolved-codec.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

#define MATCH_CHANGED                                                                              \
        "type='signal',sender='" RESOLVED_NAME "',path='" RESOLVED_PATH "',"                       \
        "interface='" PROPERTIES "',member='PropertiesChanged',arg0='" RESOLVED_MANAGER "'"

struct ResolvedWatch {
        DbusPeer *peer;
        LinkHintsListener on_hints;
        void *userdata;
        Array known; /* of LinkHints, sorted */
        Array told;
};

static void on_gone(void *userdata) {
        ResolvedWatch *watch = userdata;

        array_clear(&watch->known);
        dbus_peer_mark_changed(watch->peer);
}

static int on_servers(sd_bus_message *reply, void *userdata) {
        ResolvedWatch *watch = userdata;

        dbus_peer_mark_changed(watch->peer);
        return resolved_read_reply(reply, &watch->known);
}

static void on_changed(sd_bus_message *signal, void *userdata) {
        ResolvedWatch *watch = userdata;
        int r = resolved_read_changed(signal, &watch->known);

        if (r < 0)
                log_debug("A change of systemd-resolved is not readable: %s", strerror(-r));
        else if (r == RESOLVED_INVALIDATED)
                (void)dbus_peer_ask(watch->peer);
        else if (r == RESOLVED_CHANGED)
                dbus_peer_mark_changed(watch->peer);
}

static void on_turn(void *userdata) {
        ResolvedWatch *watch = userdata;
        Array before = ARRAY_INIT(LinkHints);
        int r;

        r = array_copy(&before, &watch->told);
        if (r >= 0)
                r = array_copy(&watch->told, &watch->known);
        if (r >= 0)
                link_hints_tell(&before, &watch->told, watch->on_hints, watch->userdata);
        else
                log_error("Cannot keep what systemd-resolved says of links: %s", strerror(-r));
        array_clear(&before);
}

int resolved_watch_new(
        sd_bus *bus, LinkHintsListener on_hints, void *userdata, ResolvedWatch **ret) {
        CLEANUP(resolved_watch_free_p) ResolvedWatch *watch = calloc(1, sizeof(*watch));
        const DbusPeerConfig config = {
                .bus = bus,
                .name = RESOLVED_NAME,
                .title = "systemd-resolved",
                .path = RESOLVED_PATH,
                .interface = PROPERTIES,
                .member = "Get",
                .types = "ss",
                .arguments = { RESOLVED_MANAGER, RESOLVED_DNS },
                .on_answer = on_servers,
                .on_gone = on_gone,
                .on_turn = on_turn,
                .userdata = watch,
        };
        int r;

        if (!watch)
                return -ENOMEM;
        watch->on_hints = on_hints;
        watch->userdata = userdata;
        watch->known = ARRAY_INIT(LinkHints);
        watch->told = ARRAY_INIT(LinkHints);

        r = dbus_peer_new(&config, &watch->peer);
        if (r >= 0)
                r = dbus_peer_add_match(watch->peer, MATCH_CHANGED, on_changed);
        if (r >= 0)
                r = dbus_peer_ask(watch->peer);
        if (r < 0)
                return r;
        *ret = TAKE(watch);
        return 0;
}

ResolvedWatch *resolved_watch_free(ResolvedWatch *watch) {
        if (!watch)
                return NULL;

        dbus_peer_free(watch->peer);
        array_clear(&watch->known);
        array_clear(&watch->told);
        free(watch);
        return NULL;
}
