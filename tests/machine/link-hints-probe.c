// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Tells on stdout what the watchers say of links, one line each:
 *
 *   bus :1.42                         once, its unique name
 *   nm 2 managed metered=no id=… uuid=… dns=192.168.10.1
 *   resolved 2 gone
 *   merged 2 …                        after each that changed the sum
 *   pong                              answer to any line on stdin
 *
 * Ends with stdin. A first argument is the time that calls may take, in milliseconds.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "backends/network-manager/nm-watch.h"
#include "backends/resolved/resolved-watch.h"

typedef struct Probe {
        LinkHintsBook book;
        NmWatch *nm;
        ResolvedWatch *resolved;
} Probe;

static void print_hints(const char *source, const LinkHints *hints, bool gone) {
        (void)printf("%s %u", source, hints->ifindex);
        if (gone) {
                (void)printf(" gone\n");
                return;
        }
        (void)printf("%s%s%s id=%s uuid=%s dns=", hints->managed ? " managed" : "",
                hints->is_vpn ? " vpn" : "",
                !hints->has_metered ? ""
                : hints->metered    ? " metered=yes"
                                    : " metered=no",
                hints->connection, hints->connection_uuid);
        for (unsigned i = 0; i < hints->n_resolvers; i++) {
                char text[ADDRESS_TEXT_MAX];

                (void)printf("%s%s", i ? "," : "", address_format(&hints->resolvers[i], text));
        }
        (void)printf("\n");
}

static void put(Probe *probe, LinkHintsSource source, const LinkHints *hints, bool gone) {
        LinkHints merged;
        bool known;

        print_hints(source == LINK_HINTS_RESOLVED ? "resolved" : "nm", hints, gone);
        if (link_hints_book_put(&probe->book, source, hints, gone) <= 0)
                return;
        known = link_hints_book_find(&probe->book, hints->ifindex, &merged);
        print_hints("merged", &merged, !known);
}

static void on_nm(const LinkHints *hints, bool gone, void *userdata) {
        put(userdata, LINK_HINTS_NETWORK_MANAGER, hints, gone);
}

static void on_resolved(const LinkHints *hints, bool gone, void *userdata) {
        put(userdata, LINK_HINTS_RESOLVED, hints, gone);
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Probe *probe = userdata;
        char line[64];
        ssize_t n = read(fd, line, sizeof(line));

        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(source), 0);
        nm_watch_refresh(probe->nm);
        (void)printf("pong\n");
        return 0;
}

static int run(Probe *probe, sd_event *event, sd_bus *bus) {
        const char *name;
        int r;

        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = nm_watch_new(bus, on_nm, probe, &probe->nm);
        if (r >= 0)
                r = resolved_watch_new(bus, on_resolved, probe, &probe->resolved);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, probe);
        /* Asked last: it waits for the bus, which the watchers must not have done. */
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name);
        if (r < 0)
                return r;
        (void)printf("bus %s\n", name);
        return sd_event_loop(event);
}

int main(int argc, char **argv) {
        Probe probe = { .book = LINK_HINTS_BOOK_INIT };
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0 && argc > 1)
                r = sd_bus_set_method_call_timeout(bus, strtoull(argv[1], NULL, 10) * 1000);
        if (r >= 0)
                r = run(&probe, event, bus);
        nm_watch_free(probe.nm);
        resolved_watch_free(probe.resolved);
        link_hints_book_clear(&probe.book);
        sd_bus_flush_close_unref(bus);
        sd_event_unref(event);
        if (r < 0)
                (void)fprintf(stderr, "probe: %s\n", strerror(-r));
        return r < 0;
}
