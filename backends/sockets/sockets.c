// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sockets/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "backends/netlink/nl-request.h"
#include "backends/sockets/diag-codec.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

struct Sockets {
        NlRequest *request;
        int own;               /* a socket of our network namespace, for its cookie */
        uint64_t netns_cookie; /* 0: the kernel tells none */
};

/* What one borrowed descriptor is. */
typedef struct Socket {
        int fd;
        int protocol;
        int type;
        uint32_t mark;
        bool is_connected;
        struct sockaddr_storage peer;
        socklen_t peer_length;
} Socket;

static uint64_t netns_cookie_of(int fd) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);

        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0)
                return 0;
        return cookie;
}

int sockets_new(Sockets **ret) {
        CLEANUP(sockets_free_p) Sockets *sockets = calloc(1, sizeof(*sockets));
        int r;

        if (!sockets)
                return -ENOMEM;
        sockets->own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sockets->own < 0)
                return -errno;
        sockets->netns_cookie = netns_cookie_of(sockets->own);
        r = nl_request_new(NETLINK_SOCK_DIAG, &sockets->request);
        if (r < 0)
                return r;
        *ret = TAKE(sockets);
        return 0;
}

Sockets *sockets_free(Sockets *sockets) {
        if (!sockets)
                return NULL;
        sockets->request = nl_request_free(sockets->request);
        sockets->own = fd_close(sockets->own);
        free(sockets);
        return NULL;
}

static bool get_option(int fd, int level, int option, int *ret) {
        socklen_t length = sizeof(*ret);

        return getsockopt(fd, level, option, ret, &length) == 0 && length == sizeof(*ret);
}

/* Return: 1; 0 not an internet socket of ours. */
static int look_at(Sockets *sockets, int fd, Socket *ret) {
        Socket socket = { .fd = fd, .peer_length = sizeof(socket.peer) };
        int domain, mark;

        if (!get_option(fd, SOL_SOCKET, SO_DOMAIN, &domain) ||
                (domain != AF_INET && domain != AF_INET6))
                return 0;
        if (!get_option(fd, SOL_SOCKET, SO_TYPE, &socket.type) ||
                !get_option(fd, SOL_SOCKET, SO_PROTOCOL, &socket.protocol) ||
                !get_option(fd, SOL_SOCKET, SO_MARK, &mark))
                return 0;
        if (netns_cookie_of(fd) != sockets->netns_cookie)
                return 0;
        socket.mark = (uint32_t)mark;
        socket.is_connected =
                getpeername(fd, (struct sockaddr *)&socket.peer, &socket.peer_length) == 0;
        *ret = socket;
        return 1;
}

static bool is_stream(const Socket *socket) {
        return socket->type == SOCK_STREAM || socket->type == SOCK_SEQPACKET;
}

static bool get_tcp_info(const Socket *socket, struct tcp_info *ret) {
        socklen_t length = sizeof(*ret);

        memset(ret, 0, sizeof(*ret));
        return getsockopt(socket->fd, SOL_TCP, TCP_INFO, ret, &length) == 0;
}

/* In use: it has a source address that can no longer change, SYN_SENT included. */
static bool is_in_use(const Socket *socket) {
        struct tcp_info info;

        if (!get_tcp_info(socket, &info))
                return socket->is_connected; /* SCTP and the like */
        return info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_LISTEN;
}

/* A connection that ended, as those do that an earlier sweep destroyed: on no path any more. */
static bool is_over(const Socket *socket) {
        struct tcp_info info;

        /* One that was bound alone has never measured the way. */
        return get_tcp_info(socket, &info) && info.tcpi_state == TCP_CLOSE && info.tcpi_rtt > 0;
}

static bool read_address(const struct sockaddr_storage *from, Address *ret, uint16_t *ret_port) {
        const struct sockaddr_in *v4 = (const void *)from;
        const struct sockaddr_in6 *v6 = (const void *)from;

        memset(ret, 0, sizeof(*ret));
        ret->family = (uint8_t)from->ss_family;
        if (from->ss_family == AF_INET) {
                memcpy(ret->bytes, &v4->sin_addr, sizeof(v4->sin_addr));
                *ret_port = ntohs(v4->sin_port);
        } else if (from->ss_family == AF_INET6) {
                memcpy(ret->bytes, &v6->sin6_addr, sizeof(v6->sin6_addr));
                *ret_port = ntohs(v6->sin6_port);
        } else
                return false;
        return true;
}

/* "::ffff:10.0.0.1" of a socket for both families as "10.0.0.1". */
static Address unmapped(const Address *address) {
        static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
        Address v4 = { .family = AF_INET };

        if (address->family != AF_INET6 || memcmp(address->bytes, prefix, sizeof(prefix)) != 0)
                return *address;
        memcpy(v4.bytes, address->bytes + sizeof(prefix), 4);
        return v4;
}

static bool get_local(const Socket *socket, Address *ret, uint16_t *ret_port) {
        struct sockaddr_storage local;
        socklen_t length = sizeof(local);

        return getsockname(socket->fd, (struct sockaddr *)&local, &length) == 0 &&
               read_address(&local, ret, ret_port);
}

static bool is_old_source(const SocketsChange *change, const Address *local) {
        Address plain = unmapped(local);

        for (size_t i = 0; i < change->n_old_sources; i++)
                if (address_compare(&change->old_sources[i], &plain) == 0)
                        return true;
        return false;
}

static bool has_old_source(const Socket *socket, const SocketsChange *change) {
        Address local;
        uint16_t port;

        return get_local(socket, &local, &port) && is_old_source(change, &local);
}

/* The device it is bound to, or "". */
static void get_device(const Socket *socket, char ret[static IFNAMSIZ]) {
        socklen_t length = IFNAMSIZ;

        memset(ret, 0, IFNAMSIZ);
        if (getsockopt(socket->fd, SOL_SOCKET, SO_BINDTODEVICE, ret, &length) < 0)
                ret[0] = '\0';
}

static int set_mark(const Socket *socket, uint32_t mark) {
        return setsockopt(socket->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

static int disconnect(const Socket *socket) {
        const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

        return connect(socket->fd, &nowhere, sizeof(nowhere)) < 0 ? -errno : 0;
}

static int connect_again(const Socket *socket) {
        return connect(socket->fd, (const struct sockaddr *)&socket->peer, socket->peer_length) < 0
                       ? -errno
                       : 0;
}

/* To a device: it goes by that whatever its mark is, and __udp_disconnect() would unbind it. */
static bool is_bound(const Socket *socket) {
        char device[IFNAMSIZ];

        get_device(socket, device);
        return device[0] != '\0';
}

/*
 * Only a connect() chooses a source, and only when there is none yet. A source
 * the program had bound stays through the disconnecting: then, and when there
 * is no way to the peer, better the old path than a socket that cannot answer
 * or has no peer. Return: 0; negative errno, it is as before.
 */
static int reconnect(const Socket *socket, const SocketsChange *change) {
        int r;

        r = disconnect(socket);
        if (r >= 0)
                r = has_old_source(socket, change) ? -EADDRNOTAVAIL : connect_again(socket);
        if (r >= 0)
                return 0;
        (void)set_mark(socket, socket->mark);
        (void)connect_again(socket);
        return r;
}

/* How the kernel is asked about it. Return: 0; negative errno. */
static int name_socket(const Socket *socket, SocketName *ret) {
        SocketName name = { .protocol = IPPROTO_TCP };
        socklen_t length = sizeof(name.cookie);
        char device[IFNAMSIZ];

        if (socket->protocol != IPPROTO_TCP)
                return -EOPNOTSUPP;
        if (!get_local(socket, &name.local, &name.local_port) ||
                getsockopt(socket->fd, SOL_SOCKET, SO_COOKIE, &name.cookie, &length) < 0)
                return -errno;
        /* While it still connects, getpeername(2) tells no peer to name it by. */
        if (!socket->is_connected || !read_address(&socket->peer, &name.remote, &name.remote_port))
                return -ENOTCONN;
        get_device(socket, device);
        name.ifindex = device[0] ? if_nametoindex(device) : 0;
        *ret = name;
        return 0;
}

/* Return: 0; -EPERM; negative errno, nothing was done. */
static int destroy(Sockets *sockets, const Socket *socket) {
        uint32_t buffer[DIAG_MESSAGE_MAX / sizeof(uint32_t)];
        SocketName name;
        int r = name_socket(socket, &name);

        if (r < 0)
                return r;
        return nl_request_send(
                sockets->request, diag_encode_destroy(buffer, &name), NULL, NULL, NULL);
}

static int on_birth(const struct nlmsghdr *nlh, void *userdata) {
        int r = diag_decode(nlh, userdata);

        return r < 0 ? r : 0;
}

/* On doubt it was: what stays as it is breaks nothing. */
static bool is_of_old_group(Sockets *sockets, const Socket *socket, const SocketsChange *change) {
        uint32_t buffer[DIAG_MESSAGE_MAX / sizeof(uint32_t)];
        SocketName name;

        if (change->n_old_groups == 0 || !is_stream(socket) || !is_in_use(socket))
                return false;
        if (change->any_group || name_socket(socket, &name) < 0 ||
                nl_request_send(sockets->request, diag_encode_get(buffer, &name), on_birth, &name,
                        NULL) < 0 ||
                name.cgroup == 0)
                return true;
        for (size_t i = 0; i < change->n_old_groups; i++)
                if (change->old_groups[i] == name.cgroup)
                        return true;
        return false;
}

/*
 * Undoes a connection: as SOCK_DESTROY does, the peer is told by a reset and
 * whoever waits wakes up. For those that the kernel cannot name or destroy.
 */
static int abort_connection(Sockets *sockets, const Socket *socket) {
        int r = destroy(sockets, socket);

        if (r == 0 || r == -EPERM)
                return r;
        return disconnect(socket);
}

static bool is_missing_right(int error) {
        return error == -EPERM || error == -EACCES;
}

/* Has a source of the old path, or has had one chosen: marked, it would carry that out there. */
static int change_old(Sockets *sockets, const Socket *socket, const SocketsChange *change,
        SocketsCounts *counts) {
        int r;

        if (!is_stream(socket) || !is_in_use(socket)) {
                counts->n_left++; /* bound to it by the program, or a raw one that tells no peer */
                return 0;
        }
        if (change->policy != SOCKETS_RESET) {
                counts->n_stale++;
                return 0;
        }
        r = abort_connection(sockets, socket);
        if (r < 0)
                counts->n_stale++;
        else
                counts->n_reset++;
        return r;
}

static int change_socket(Sockets *sockets, const Socket *socket, const SocketsChange *change,
        SocketsCounts *counts) {
        uint32_t mark = (socket->mark & ~change->mask) | (change->mark & change->mask);
        bool can_reconnect = !is_stream(socket) && socket->is_connected && !is_bound(socket);
        int r;

        if (is_stream(socket) && is_over(socket))
                return 0;
        if (change->former_mark && (socket->mark & change->mask) != change->former_mark)
                return 0;
        if (!can_reconnect &&
                (has_old_source(socket, change) || is_of_old_group(sockets, socket, change)))
                return change_old(sockets, socket, change, counts);
        if (mark == socket->mark)
                return 0;
        r = set_mark(socket, mark);
        if (r < 0) {
                counts->n_left++;
                return r;
        }
        if (can_reconnect) {
                r = reconnect(socket, change);
                if (r < 0) {
                        counts->n_left++;
                        return 0; /* nothing the caller can mend */
                }
                counts->n_reconnected++;
        }
        counts->n_marked++;
        return 0;
}

/* Return: 0; negative errno. */
static int sweep_descriptor(Sockets *sockets, const Process *process, int number,
        const SocketsChange *change, SocketsCounts *counts) {
        CLEANUP_FD int fd = (int)syscall(SYS_pidfd_getfd, process->pidfd, number, 0);
        Socket socket;

        if (fd < 0) {
                if (errno == EBADF)
                        return 0; /* closed meanwhile */
                counts->n_left += errno != ESRCH;
                return -errno;
        }
        if (look_at(sockets, fd, &socket) == 0)
                return 0;
        return change_socket(sockets, &socket, change, counts);
}

static inline void close_dir_p(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

/* Lists the descriptors of the process. Return: 0; -ESRCH; -EACCES; negative errno. */
static int open_descriptors(const Process *process, DIR **ret) {
        CLEANUP_FD int directory = process_open_directory(process);
        CLEANUP_FD int fd = -1;

        if (directory < 0)
                return directory;
        fd = openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        *ret = fdopendir(fd);
        if (!*ret)
                return -errno;
        (void)TAKE_FD(fd);
        return 0;
}

/* Whether it is worth borrowing. Return: 1; 0; -EACCES. */
static int is_socket(int descriptors, const char *name) {
        char target[32];
        ssize_t n = readlinkat(descriptors, name, target, sizeof(target));

        if (n < 0)
                return errno == EACCES || errno == EPERM ? -EACCES : 0;
        return n > (ssize_t)strlen("socket:") && memcmp(target, "socket:", strlen("socket:")) == 0;
}

int sockets_sweep_process(Sockets *sockets, const Process *process, const SocketsChange *change,
        SocketsCounts *counts, Fault *fault) {
        CLEANUP(close_dir_p) DIR *descriptors = NULL;
        const struct dirent *entry;
        int r, error = 0;
        size_t n = 0;

        if (change->policy == SOCKETS_KEEP)
                return 0;
        r = open_descriptors(process, &descriptors);
        if (is_missing_right(r))
                return fault_set(fault, -EPERM,
                        "no right to the sockets of process %d (CAP_SYS_PTRACE)", process->pid);
        if (r < 0)
                return fault_set(fault, r, "cannot see the sockets of process %d: %s", process->pid,
                        strerror(-r));

        while ((entry = readdir(descriptors))) {
                if (entry->d_name[0] == '.')
                        continue;
                if (++n > SOCKETS_DESCRIPTORS_MAX)
                        return fault_set(fault, -E2BIG, "process %d has more than %d descriptors",
                                process->pid, SOCKETS_DESCRIPTORS_MAX);
                r = is_socket(dirfd(descriptors), entry->d_name);
                if (r > 0)
                        r = sweep_descriptor(sockets, process, atoi(entry->d_name), change, counts);
                else if (r < 0)
                        counts->n_left++;
                if (r == -ESRCH)
                        return fault_set(fault, r, "process %d has ended", process->pid);
                if (r < 0 && error == 0)
                        error = r;
        }
        if (is_missing_right(error))
                return fault_set(fault, -EPERM,
                        "no right to change sockets of process %d (CAP_SYS_PTRACE, CAP_NET_ADMIN)",
                        process->pid);
        if (error < 0)
                return fault_set(fault, error, "cannot change sockets of process %d: %s",
                        process->pid, strerror(-error));
        return 0;
}

int sockets_sweep_processes(Sockets *sockets, const pid_t *pids, size_t n,
        const SocketsChange *change, SocketsCounts *counts, Fault *fault) {
        Fault first = { 0 };

        if (change->policy == SOCKETS_KEEP)
                return 0;
        for (size_t i = 0; i < n; i++) {
                Process process;
                Fault one = { 0 };
                int r = process_open(pids[i], &process);

                if (r < 0)
                        continue;
                r = sockets_sweep_process(sockets, &process, change, counts, &one);
                process_clear(&process);
                if (r < 0 && r != -ESRCH && first.error == 0)
                        first = one;
        }
        if (first.error < 0 && fault)
                *fault = first;
        return first.error;
}
