// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/* What a Program and its process say to each other: one packet each way a step. */

#include <stddef.h>
#include <stdint.h>

#define PROGRAM_ANSWER_BYTES_MAX 128

typedef enum ProgramVerb {
        PROGRAM_SOCKET,
        PROGRAM_CONNECT,
        PROGRAM_ASK,
        PROGRAM_SEND,
        PROGRAM_LISTEN,
        PROGRAM_CLOSE,
        PROGRAM_FLOOD,
        PROGRAM_GIVE, /* the answer carries the descriptor */
        PROGRAM_TAKE, /* the step does */
} ProgramVerb;

typedef struct ProgramStep {
        ProgramVerb verb;
        int32_t slot;
        int32_t family, type, protocol;
        int32_t port;
        int32_t flag; /* mapped, abort */
} ProgramStep;

typedef struct ProgramReply {
        int32_t result;
        char answer[PROGRAM_ANSWER_BYTES_MAX];
} ProgramReply;

/* One packet on a SOCK_SEQPACKET, and a descriptor with it unless @passed is -1; 0 or -errno. */
int program_packet_send(int fd, const void *data, size_t n_bytes, int passed);

/* @ret_passed is set if one came, and is the caller's. Return: 0; -EPIPE at the end; -errno. */
int program_packet_receive(int fd, void *data, size_t n_bytes, int *ret_passed);
