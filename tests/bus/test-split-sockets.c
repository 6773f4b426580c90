// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What becomes of open connections when their process is taken around a tunnel
 * that is set, and back: each answer counts them exactly.
 *
 * The other ends of TCP connections are the test's, so that they are not in the
 * process that is moved.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bus/own-cgroup.h"
#include "tests/bus/split-client.h"
#include "tests/bus/worker.h"

#define UPLINK "192.0.2.2"
#define TUNNEL "10.64.0.2"
#define FAR "203.0.113.9"

static struct sockaddr_in address_of(const char *text, in_port_t be_port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = be_port };

        g_assert_cmpint(inet_pton(AF_INET, text, &address.sin_addr), ==, 1);
        return address;
}

/* Bound to @source; NULL: not. */
static int open_socket(int type, const char *source) {
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        struct sockaddr_in address;

        if (fd < 0)
                abort();
        if (!source)
                return fd;
        address = address_of(source, 0);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
        return fd;
}

static int listen_at(const char *source) {
        int fd = open_socket(SOCK_STREAM, source);

        if (listen(fd, 8) < 0)
                abort();
        return fd;
}

static void connect_to(int fd, const char *destination, in_port_t be_port) {
        struct sockaddr_in address = address_of(destination, be_port);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                abort();
}

static in_port_t port_of(int fd) {
        struct sockaddr_in address;
        socklen_t size = sizeof(address);

        g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
        return address.sin_port;
}

typedef struct Ports {
        in_port_t tunnel, uplink; /* big endian, of listeners of the test */
} Ports;

/* Of every kind one. UDP that is connected leaves by the tunnel, as it is set. */
static void open_sockets(void *userdata) {
        const Ports *ports = userdata;

        (void)open_socket(SOCK_DGRAM, NULL);
        connect_to(open_socket(SOCK_DGRAM, NULL), FAR, htons(9));
        (void)listen_at("0.0.0.0");
        connect_to(open_socket(SOCK_STREAM, TUNNEL), TUNNEL, ports->tunnel);
        connect_to(open_socket(SOCK_STREAM, UPLINK), UPLINK, ports->uplink);
}

typedef struct Place {
        Service s;
        int listeners[2], accepted[2]; /* tunnel, uplink */
        Worker *worker;
} Place;

static bool place_open(Place *place) {
        Ports ports;

        if (!service_set_up(&place->s, ALL_YES, NULL))
                return false;
        if (!split_can_exclude(&place->s)) {
                service_tear_down(&place->s);
                return false;
        }
        g_variant_unref(service_call(place->s.root, "SetTunnel", "('wg0', @a{sv} {})"));
        place->listeners[0] = listen_at(TUNNEL);
        place->listeners[1] = listen_at(UPLINK);
        ports = (Ports){ port_of(place->listeners[0]), port_of(place->listeners[1]) };
        place->worker = worker_new(BUS_UID_ALICE, open_sockets, &ports);
        for (size_t i = 0; i < 2; i++) {
                place->accepted[i] = accept4(place->listeners[i], NULL, NULL, SOCK_CLOEXEC);
                g_assert_cmpint(place->accepted[i], >=, 0);
        }
        return true;
}

static void place_close(Place *place) {
        for (size_t i = 0; i < 2; i++) {
                (void)close(place->accepted[i]);
                (void)close(place->listeners[i]);
        }
        place->worker = worker_free(place->worker);
        g_variant_unref(service_call(place->s.root, "UnsetTunnel", "({'all': <true>},)"));
        service_tear_down(&place->s);
}

/* Whether the process' end of a connection is gone. */
static bool is_cut(const Place *place, size_t which) {
        struct pollfd state = { .fd = place->accepted[which], .events = POLLIN };

        return poll(&state, 1, 0) == 1;
}

typedef struct Counts {
        unsigned marked, reconnected, reset, left;
} Counts;

static void check_counts(const char *answer, Counts expected) {
        const Counts counts = {
                .marked = (unsigned)split_number(answer, "sockets-marked"),
                .reconnected = (unsigned)split_number(answer, "sockets-reconnected"),
                .reset = (unsigned)split_number(answer, "sockets-reset"),
                .left = (unsigned)split_number(answer, "sockets-left"),
        };

        if (memcmp(&counts, &expected, sizeof(counts)) != 0)
                g_error("expected marked %u, reconnected %u, reset %u, left %u; it says %s",
                        expected.marked, expected.reconnected, expected.reset, expected.left,
                        answer);
}

static void move(Place *place, const char *member, const char *sockets, Counts expected) {
        g_autofree char *answer = split_askf(place->s.alice, member,
                "(uint32 %d, {'sockets': <'%s'>})", place->worker->pid, sockets);

        check_counts(answer, expected);
}

static void test_keep(void) {
        Place place;

        if (!place_open(&place))
                return;
        move(&place, "AddProcess", "keep", (Counts){ 0 });
        move(&place, "RemoveProcess", "keep", (Counts){ 0 });
        g_assert_false(is_cut(&place, 0));
        g_assert_false(is_cut(&place, 1));
        place_close(&place);
}

/* Of five the one that stays is the TCP of the tunnel; on the way back, that of the uplink. */
static void test_migrate(void) {
        Place place;

        if (!place_open(&place))
                return;
        move(&place, "AddProcess", "migrate", (Counts){ .marked = 4, .reconnected = 1, .left = 1 });
        move(&place, "RemoveProcess", "migrate",
                (Counts){ .marked = 4, .reconnected = 1, .left = 1 });
        g_assert_false(is_cut(&place, 0));
        g_assert_false(is_cut(&place, 1));
        place_close(&place);
}

static void test_reset(void) {
        Place place;

        if (!place_open(&place))
                return;
        move(&place, "AddProcess", "reset", (Counts){ .marked = 4, .reconnected = 1, .reset = 1 });
        g_assert_true(is_cut(&place, 0));
        g_assert_false(is_cut(&place, 1));
        move(&place, "RemoveProcess", "reset",
                (Counts){ .marked = 3, .reconnected = 1, .reset = 1 });
        g_assert_true(is_cut(&place, 1));
        place_close(&place);
}

/* By descriptor the same, and once it is done there is nothing left to do. */
static void test_by_descriptor(void) {
        g_autofree char *added = NULL, *again = NULL, *removed = NULL;
        Place place;
        int fd;

        if (!place_open(&place))
                return;
        fd = worker_pidfd(place.worker);
        added = split_ask_fd(place.s.alice, "AddProcessFd", fd, "{'sockets': <'reset'>}");
        check_counts(added, (Counts){ .marked = 4, .reconnected = 1, .reset = 1 });
        again = split_ask_fd(place.s.alice, "AddProcessFd", fd, "{'sockets': <'reset'>}");
        check_counts(again, (Counts){ 0 });
        removed = split_ask_fd(place.s.alice, "RemoveProcessFd", fd, "{'sockets': <'reset'>}");
        check_counts(removed, (Counts){ .marked = 3, .reconnected = 1, .reset = 1 });
        (void)close(fd);
        place_close(&place);
}

/* Whoever may not do it cuts nothing either. */
static void test_refused(void) {
        Place place;

        if (!place_open(&place))
                return;
        split_failsf(place.s.alice, "AddProcess", INVALID_ARGS, "kill",
                "(uint32 %d, {'sockets': <'kill'>})", place.worker->pid);
        split_failsf(place.s.alice, "AddProcess", INVALID_ARGS, "colour",
                "(uint32 %d, {'sockets': <'reset'>, 'colour': <'red'>})", place.worker->pid);
        g_assert_false(is_cut(&place, 0));
        g_assert_false(is_cut(&place, 1));
        place_close(&place);
}

int main(int argc, char *argv[]) {
        service_fixture_enter();
        service_mechanism = own_cgroup_enter() ? "" : "none";
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/split-sockets/keep-leaves-all-as-they-are", test_keep);
        g_test_add_func("/split-sockets/migrate-changes-what-can-change-both-ways", test_migrate);
        g_test_add_func("/split-sockets/reset-cuts-what-cannot-change-both-ways", test_reset);
        g_test_add_func("/split-sockets/descriptor-and-once-is-enough", test_by_descriptor);
        g_test_add_func("/split-sockets/refused-calls-cut-nothing", test_refused);
        return g_test_run();
}
