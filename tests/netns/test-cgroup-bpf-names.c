// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Who may not ask resolvers of this machine, which ask by any link: groups that
 * are confined, what is new beside them, and all that would go by resolved's
 * own socket.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/netns/test-cgroup-bpf-lib.h"

#define RESOLVED_PATH "/run/systemd/resolve/io.systemd.Resolve"
#define DNS 53

/* @extra: bytes of the address behind the path. Return: 0; negative errno. */
static int connect_unix(const char *path, size_t extra) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = world_socket(AF_UNIX, SOCK_STREAM, 0), r;

        memset(address.sun_path, 0x55, sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path) + (extra > 0));
        r = connect(fd, (const struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + extra)) < 0
                    ? -errno
                    : 0;
        (void)close(fd);
        return r;
}

static bool world_knows_unix(const Directory *group) {
        uint32_t ids[PROGRAMS_MAX];
        int directory = world_open(group);
        int n = others_query(directory, BPF_HOOK_CONNECT_UNIX, ids);

        (void)close(directory);
        return n > 0;
}

/* Return: 0 it may ask; what it is refused with. */
static int try_to_ask(const char *server, bool is_v6, int type, bool connects) {
        socklen_t size;
        Endpoint to = world_endpoint(server, DNS, &size);
        int fd = world_socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK, 0), r;

        r = connects ? connect(fd, &to.any, size) : (int)sendto(fd, "?", 1, 0, &to.any, size);
        r = r < 0 && errno != EINPROGRESS ? -errno : 0;
        (void)close(fd);
        return r;
}

static int try_each_way(const char *server, bool is_v6) {
        int r = try_to_ask(server, is_v6, SOCK_DGRAM, true);

        g_assert_cmpint(try_to_ask(server, is_v6, SOCK_DGRAM, false), ==, r);
        g_assert_cmpint(try_to_ask(server, is_v6, SOCK_STREAM, true), ==, r);
        return r;
}

/* In include mode: who listens on this machine asks by any link. @hooked has the programs. */
static void check_confined(World *world, const Directory *hooked) {
        static const struct {
                const char *server;
                bool is_v6;
                int alone, with_v4; /* without a resolver, with one of IPv4 */
        } cases[] = {
                { "127.0.0.53", false, -EPERM, 0 },
                { "127.255.255.255", false, -EPERM, 0 },
                { "0.0.0.0", false, -EPERM, 0 },
                { "::ffff:127.0.0.53", true, -EPERM, 0 },
                { "::1", true, -EPERM, -EPERM },
                { "::", true, -EPERM, -EPERM },
                { "10.77.2.1", false, 0, 0 },
                { "::ffff:10.77.2.1", true, 0, 0 },
                { "fd77:2::1", true, 0, 0 },
        };
        const Fact resolver = world_resolver("10.77.1.1");

        for (int has = 0; has < 2; has++) {
                for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                        g_assert_cmpint(try_each_way(cases[i].server, cases[i].is_v6), ==,
                                has ? cases[i].with_v4 : cases[i].alone);
                if (world_knows_unix(hooked))
                        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), ==, -EPERM);
                world_want(world, has ? OPERATION_REMOVE : OPERATION_ADD, &resolver);
        }
}

static void test_confined_ask_no_stub(World *world) {
        Directory *group = world_directory(world, NULL);
        Fact confined = world_group(group, MARK, MASK, /* resolves= */ true);

        confined.marked_group.confined = true;
        world_want(world, OPERATION_ADD, &confined);
        world_join(group->path);
        check_confined(world, group);
}

static void test_newcomers_ask_no_stub(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *known = world_directory(world, top);
        const Directory *fresh = world_directory(world, top);
        Fact above = world_known(top, 0, MARK), beside = world_known(known, 1, 0);

        above.known_group.resolves = above.known_group.confined = true;
        world_want(world, OPERATION_ADD, &beside);
        world_want(world, OPERATION_ADD, &above);
        world_join(fresh->path);
        check_confined(world, top);
        world_join(known->path);
        g_assert_cmpint(try_each_way("127.0.0.53", false), ==, 0);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), !=, -EPERM);
}

static void test_only_the_socket_of_resolved_is_refused(World *world) {
        static const char *const others[] = { RESOLVED_PATH ".Monitor",
                "/run/systemd/resolve/io.systemd.Resolv", "/run/systemd/resolve/io.systemd.resolve",
                "/nonexistent/path/that/is/much/longer/than/the/one/of/resolved" };
        Directory *group = world_marked(world, /* resolves= */ true);
        Directory *plain = world_marked(world, /* resolves= */ false);
        const Fact server = world_resolver("fd77:1::1");
        uint32_t ids[PROGRAMS_MAX];
        int directory = world_open(group), unhindered, n;

        n = others_query(directory, BPF_HOOK_CONNECT_UNIX, ids);
        (void)close(directory);
        if (n < 0) {
                g_test_skip("this kernel cannot refuse UNIX sockets");
                return;
        }
        g_assert_cmpint(n, ==, 1);

        unhindered = connect_unix(RESOLVED_PATH, 1);
        g_assert_cmpint(unhindered, !=, -EPERM);
        world_join(group->path);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), ==, unhindered);
        world_want(world, OPERATION_ADD, &server);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), ==, -EPERM);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 0), ==, -EPERM);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 20), ==, -EPERM);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                for (size_t extra = 0; extra < 2; extra++)
                        g_assert_cmpint(connect_unix(others[i], extra), ==, -ENOENT);
        world_join(plain->path);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), ==, unhindered);
        world_join(world->home_group);
        g_assert_cmpint(connect_unix(RESOLVED_PATH, 1), ==, unhindered);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        world_test_add("/cgroup-bpf-names/confined-group-asks-no-stub-without-a-resolver",
                test_confined_ask_no_stub, true);
        world_test_add("/cgroup-bpf-names/nor-does-what-is-new-beside-it",
                test_newcomers_ask_no_stub, true);
        world_test_add("/cgroup-bpf-names/only-the-socket-of-resolved-is-refused",
                test_only_the_socket_of_resolved_is_refused, true);
        return g_test_run();
}
