/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One call that moves processes, from its start to its one answer.
 *
 * The controller's list owns it. Sockets are swept with the move and once more
 * before the answer: a socket() that was under way during the move is seen
 * then (kernel.md 2).
 */

#include "service/split/controller.h"

typedef struct Request Request;

struct Request {
        SplitController *controller;
        Request *previous, *next;
        SplitRequest asked;
        bool is_exclude;
        bool only_marked; /* newcomers: sockets that have the mark are to have none */
        const SplitProcesses *processes; /* that made the places */
        Array places;                    /* of GroupPlace: in the making */
        Array taken;                     /* of GroupPlace: those that the owner had not before */
        Array inside;                    /* of pid_t, sorted: who was out before */
        Array pids;                      /* of pid_t: whose sockets are swept */
        Array births;                    /* of uint64_t: groups whose sockets are brought back */
        size_t n_waiting;                /* for the engine */
        unsigned n_rounds;               /* of groups prepared anew */
        bool is_moved;
        int result;
        Refusal why;
        SplitAnswer answer;
        sd_event_source *source;
        SplitDone done;
        void *userdata;
};

/* Takes the process of @asked. Return: the request, in the list; NULL without memory. */
Request *request_new(
        SplitController *controller, SplitRequest *asked, SplitDone done, void *userdata);
Request *request_free(Request *request);
DEFINE_CLEANUP(Request *, request_free)

/* Whether @path is one of its groups in the making. */
bool request_has_place(const Request *request, const char *path);

/* A fault of the system as a refusal that names the process. Return: -EPERM; -ENOMEM. */
int request_refuse_fault(pid_t pid, int r, const Fault *fault, Refusal *why);

/*
 * The groups that sockets were born in which are now brought back: masqueraded,
 * their addresses do not tell. Before the last member goes, and the group with
 * it. Return: 0; -ENOMEM.
 */
int request_note_births(Request *request);

/* Brings the open sockets of `pids` along, as was asked. */
void request_sweep(Request *request);

/* Answers, from the loop, and ends the request. Return: 0; negative errno. */
int request_finish_later(Request *request);
void request_finish(Request *request); /* at once */
