/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A place to see which way packets go, and with which source.
 *
 * The test stands between two peers, "physical" and "tunnel", each in a network
 * namespace of its own, who both have the destination on their loopback device.
 * What is not marked goes to the tunnel. Everything happens in one process:
 * sockets of the peers are opened in their namespaces. Groups are directories
 * with names of our own in the machine's cgroup2, removed afterwards.
 */

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <systemd/sd-event.h>

#include "backends/cgroup-bpf/bpf-program.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"

#define MARK OURS_DEFAULT_MARK
#define MASK OURS_DEFAULT_MARK_MASK
#define PORT 7777

/* The directory of the backend's pins; the file system is one of the test's own. */
#define BPF_FS "/sys/fs/bpf"
#define PINS BPF_FS "/talpid"

typedef enum Side { PHYSICAL, TUNNEL, _SIDE_MAX } Side;

typedef struct WorldFamily {
        int family;
        const char *destination;
        const char *source[_SIDE_MAX]; /* ours */
        const char *peer[_SIDE_MAX];
} WorldFamily;

extern const WorldFamily world_families[2]; /* IPv4, IPv6 */

typedef struct Directory {
        char *path;
        uint64_t id;
} Directory;

typedef struct World {
        int home; /* network namespaces */
        int peers[_SIDE_MAX];
        int captures[_SIDE_MAX]; /* packet sockets of the peers */
        GPtrArray *directories;  /* Directory, a parent before its children */
        char *home_group;        /* path of the cgroup the test was started in */
        sd_event *event;
        Backend *backend;
        FactSet observed;
        unsigned n_changes;
} World;

typedef union Endpoint {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
} Endpoint;

/* Adds a test that runs in a fresh world; without network only groups are there. */
void world_test_add(const char *path, void (*test)(World *), bool with_network);

/* groups */

/* @parent: NULL for the root of the hierarchy. */
Directory *world_directory(World *world, const Directory *parent);
int world_open(const Directory *directory);

/* Moves this process; it goes back at the end of the test. */
void world_join(const char *path);
Fact world_group(const Directory *directory, uint32_t mark, uint32_t mask, bool resolves);

/* A group that is known, with @mark one that lies above others. */
Fact world_known(const Directory *directory, uint32_t level, uint32_t mark);

/* A new group with our mark. */
Directory *world_marked(World *world, bool resolves);

/* the backend */

Backend *world_backend(World *world, bool without_preorder);
CgroupBpfConfig world_config(World *world);

/* As a process that ends and is started again; a child process begins with it. */
void world_restart(World *world);

/* All that is attached to the directory, and what is in PINS, by us or others. */
unsigned world_count_programs(const Directory *directory);
unsigned world_count_pins(void);

/* bpf(2) as others use it. Return: what it returns, or negative errno. */
#define PROGRAMS_MAX 64
int others_attach(int directory, BpfHook hook, int program, uint32_t flags);
int others_detach(int directory, BpfHook hook, int program);
int others_query(int directory, BpfHook hook, uint32_t ids[static PROGRAMS_MAX]);

int world_apply(World *world, OperationVerb verb, const Fact *fact, Fault *ret);

/* As world_apply(), and wants it to succeed. */
void world_want(World *world, OperationVerb verb, const Fact *fact);
Fact world_resolver(const char *text);

/* Resyncs and wants nothing but this fact (NULL: no fact). */
void world_expect_only(World *world, const Fact *fact);

/* The same, again and again until it is so: the kernel detaches from what is gone by and by. */
void world_wait_only(World *world, const Fact *fact);

/* sockets */

/* Goes to the network namespace @namespace, of world->peers or world->home. */
void world_go(int namespace);
Endpoint world_endpoint(const char *text, uint16_t port, socklen_t *ret_size);
char *world_endpoint_text(const Endpoint *e);
int world_socket(int family, int type, int protocol);
void world_bind(int fd, const char *text, uint16_t port);

/* Return: 0; negative errno. */
int world_connect(int fd, const char *text, uint16_t port);
uint32_t world_mark_of(int fd);

/* The mark of a socket that is born in @directory, where this process goes for it. */
uint32_t world_mark_in(const Directory *directory);

/* Links whose pins went are detached by and by. */
void world_wait_unmarked(const Directory *directory);
void world_expect_readable(int fd);
int world_accept(int listener);
int world_listen_in_peer(World *world, Side side, const char *address, uint16_t port);

/* In a child process, which has to return. */
void world_run_in_child(void (*function)(void *), void *data);

/* packets to the destination */

/* Forgets what was seen so far. */
void world_drain(World *world);

/* Wants the next packet of @protocol (TCP: with all of @tcp_flags) at @side, from our address. */
void world_expect_packet(
        World *world, Side side, size_t v6, int protocol, uint8_t tcp_flags, const char *what);
