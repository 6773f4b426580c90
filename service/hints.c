// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/hints.h"

#include <errno.h>

#include "backends/base/log.h"
#include "backends/logind/sleep-watch.h"
#include "backends/network-manager/nm-watch.h"
#include "backends/resolved/resolved-watch.h"

struct Hints {
        Engine *engine;
        LinkHintsBook book;
        NmWatch *network_manager;
        ResolvedWatch *resolved;
        SleepWatch *sleep;
};

static void put(Hints *hints, LinkHintsSource source, const LinkHints *said, bool gone) {
        LinkHints merged;
        bool known;
        int r;

        r = link_hints_book_put(&hints->book, source, said, gone);
        if (r > 0) {
                known = link_hints_book_find(&hints->book, said->ifindex, &merged);
                r = engine_set_link_hints(hints->engine, &merged, !known);
        }
        if (r < 0)
                log_warning("Cannot keep what is said of link %u: out of memory", said->ifindex);
}

static void on_network_manager(const LinkHints *said, bool gone, void *userdata) {
        put(userdata, LINK_HINTS_NETWORK_MANAGER, said, gone);
}

static void on_resolved(const LinkHints *said, bool gone, void *userdata) {
        put(userdata, LINK_HINTS_RESOLVED, said, gone);
}

static void on_sleep(bool asleep, void *userdata) {
        const Hints *hints = userdata;

        log_info("The machine %s", asleep ? "goes to sleep" : "woke: looking at everything afresh");
        engine_set_asleep(hints->engine, asleep);
}

static void on_links(void *userdata) {
        Hints *hints = userdata;

        nm_watch_refresh(hints->network_manager);
}

int hints_new(sd_bus *bus, sd_event *event, Engine *engine, Hints **ret) {
        CLEANUP(hints_free_p) Hints *hints = calloc(1, sizeof(*hints));
        int r;

        if (!hints)
                return -ENOMEM;
        hints->engine = engine;
        hints->book = LINK_HINTS_BOOK_INIT;

        r = nm_watch_new(bus, on_network_manager, hints, &hints->network_manager);
        if (r >= 0)
                r = resolved_watch_new(bus, on_resolved, hints, &hints->resolved);
        if (r >= 0)
                r = sleep_watch_new(
                        bus, event, SLEEP_WATCH_BOUND_USEC, on_sleep, hints, &hints->sleep);
        if (r < 0)
                return r;
        engine_set_link_listener(engine, on_links, hints);
        *ret = TAKE(hints);
        return 0;
}

Hints *hints_free(Hints *hints) {
        if (!hints)
                return NULL;
        engine_set_link_listener(hints->engine, NULL, NULL);
        (void)sleep_watch_free(hints->sleep);
        (void)nm_watch_free(hints->network_manager);
        (void)resolved_watch_free(hints->resolved);
        link_hints_book_clear(&hints->book);
        free(hints);
        return NULL;
}
