// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bench/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "tests/bench/figures.h"

#define MEASURE_USEC 50000
#define WARM_UP_USEC 3000 /* after a change of rules, and of who had the processor */
#define NICENESS (-5)
#define PACKETS_PORT 5001
#define CONNECTIONS_PORT 5002
#define BYTES_PORT 5003
#define CHUNK_BYTES (128 * 1024)

struct Worker {
        pid_t pid;
        int fd;
};

static void must(int r, const char *what) {
        if (r < 0)
                g_error("%s: %s", what, g_strerror(errno));
}

/* The server */

static int serve_at(int type, uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        must(fd, "socket");
        must(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
        if (type == SOCK_STREAM)
                must(listen(fd, 1024), "listen");
        return fd;
}

/* Reads what comes without looking at it. */
static void swallow(int fd) {
        static char buffer[CHUNK_BYTES];

        while (recv(fd, buffer, sizeof(buffer), MSG_TRUNC) > 0)
                ;
}

/* Datagrams are left in their queue, which is full soon: the rest is dropped at the very end. */
static void serve(int ready) {
        struct pollfd fds[] = { { .fd = serve_at(SOCK_STREAM, CONNECTIONS_PORT), .events = POLLIN },
                { .fd = serve_at(SOCK_STREAM, BYTES_PORT), .events = POLLIN } };

        (void)serve_at(SOCK_DGRAM, PACKETS_PORT);
        (void)close(ready);
        for (;;) {
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
                        continue;
                for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                        int fd = fds[i].revents ? accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC) : -1;

                        if (fd < 0)
                                continue;
                        swallow(fd);
                        (void)close(fd);
                }
        }
}

void traffic_serve(const char *netns) {
        g_autofree char *path = g_strconcat("/run/netns/", netns, NULL);
        int ready[2], fd;
        char byte;

        must(pipe2(ready, O_CLOEXEC), "pipe");
        if (fork() == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)close(ready[0]);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                must(setns(fd, CLONE_NEWNET), path);
                serve(ready[1]);
        }
        (void)close(ready[1]);
        (void)read(ready[0], &byte, 1);
        (void)close(ready[0]);
}

/* The worker */

static struct sockaddr_in server_at(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

        (void)inet_pton(AF_INET, TRAFFIC_ADDRESS, &address.sin_addr);
        return address;
}

/*
 * By nftables a port that another process used towards the same server a moment
 * ago is refused (EPERM): another socket has another port.
 */
static int connect_to(uint16_t port) {
        struct sockaddr_in address = server_at(port);

        for (;;) {
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

                must(fd, "socket");
                if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                        return fd;
                if (errno != EPERM)
                        must(-1, "connect");
                (void)close(fd);
        }
}

static int open_for_packets(const struct sockaddr_in *address) {
        for (;;) {
                int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

                must(fd, "socket");
                if (sendto(fd, "x", 1, 0, (const struct sockaddr *)address, sizeof(*address)) == 1)
                        return fd;
                if (errno != EPERM)
                        must(-1, "sendto");
                (void)close(fd);
        }
}

static double send_packets(int64_t until_usec) {
        struct sockaddr_in address = server_at(PACKETS_PORT);
        int fd = open_for_packets(&address);
        double n = 1;

        while (bench_now_usec() < until_usec)
                for (int i = 0; i < 32; i++, n++)
                        must((int)sendto(
                                     fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)),
                                "sendto");
        (void)close(fd);
        return n;
}

/* Closed by a reset: no port waits for two minutes after it. */
static double make_connections(int64_t until_usec) {
        const struct linger at_once = { .l_onoff = 1 };
        double n = 0;

        for (; bench_now_usec() < until_usec; n++) {
                int fd = connect_to(CONNECTIONS_PORT);

                (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
                (void)close(fd);
        }
        return n;
}

static double send_bytes(int64_t until_usec) {
        static const char chunk[CHUNK_BYTES];
        int fd = connect_to(BYTES_PORT);
        double n = 0;

        while (bench_now_usec() < until_usec) {
                ssize_t sent = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);

                must((int)sent, "send");
                n += (double)sent;
        }
        (void)close(fd);
        return n;
}

/* The time that others take of the processor does not count. */
static double processor_sec(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double traffic_until(TrafficKind kind, int64_t until_usec) {
        switch (kind) {
        case TRAFFIC_PACKETS:
                return send_packets(until_usec);
        case TRAFFIC_CONNECTIONS:
                return make_connections(until_usec);
        case TRAFFIC_BYTES:
                return send_bytes(until_usec);
        case TRAFFIC_N_KINDS:
                break;
        }
        return 0;
}

static double measure(TrafficKind kind) {
        double start, n;

        (void)traffic_until(kind, bench_now_usec() + WARM_UP_USEC);
        start = processor_sec();
        n = traffic_until(kind, bench_now_usec() + MEASURE_USEC);
        return n / (processor_sec() - start);
}

static void work(int fd) {
        TrafficKind kind;

        (void)setpriority(PRIO_PROCESS, 0, NICENESS);
        while (recv(fd, &kind, sizeof(kind), 0) == sizeof(kind)) {
                double rate = measure(kind);

                (void)send(fd, &rate, sizeof(rate), MSG_NOSIGNAL);
        }
        _exit(0);
}

Worker *worker_start(void) {
        Worker *worker = g_new0(Worker, 1);
        int fds[2];

        must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), "socketpair");
        worker->pid = fork();
        must(worker->pid, "fork");
        if (worker->pid == 0) {
                (void)close(fds[0]);
                work(fds[1]);
        }
        (void)close(fds[1]);
        worker->fd = fds[0];
        return worker;
}

Worker *worker_stop(Worker *worker) {
        (void)close(worker->fd);
        (void)kill(worker->pid, SIGKILL);
        (void)waitpid(worker->pid, NULL, 0);
        g_free(worker);
        return NULL;
}

pid_t worker_pid(const Worker *worker) {
        return worker->pid;
}

double worker_measure(Worker *worker, TrafficKind kind) {
        double rate = 0;

        must((int)send(worker->fd, &kind, sizeof(kind), MSG_NOSIGNAL), "worker");
        if (recv(worker->fd, &rate, sizeof(rate), 0) != sizeof(rate))
                g_error("a worker died");
        return rate;
}
