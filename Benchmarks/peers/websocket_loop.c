// SPDX-License-Identifier: Apache-2.0
// A WebSocket echo client and an echo server on epoll that do as little as they can, so that what is measured is the other side.
//
//   websocket_loop client PORT plain|deflate SOCKETS SECONDS   closed loops of 100 bytes of text; prints {"echoes", "seconds", "cpu"}
//   websocket_loop server PORT                                 echoes; with deflate agrees that no message refers to another, and so sends
//                                                         the compressed bytes back as they are
//   websocket_loop idle PORT SOCKETS                           connects, prints "ready", and keeps silent until its input ends
//
// Handshakes are taken to be right; every answer is compared with what was sent.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define ROOM 65536

typedef struct {
    int fd;
    int is_open;
    size_t used;
    unsigned char *bytes;
    z_stream inflater;
} peer;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double processor(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void send_all(int fd, const void *bytes, size_t count) {
    if (send(fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) die("send");
}

// --- the handshake's answer -------------------------------------------------------------------------------------------------

static uint32_t turned(uint32_t word, int count) { return word << count | word >> (32 - count); }

static void sha1(const unsigned char *text, size_t count, unsigned char digest[20]) {
    unsigned char padded[128] = {0};
    size_t size = count + 9 <= 64 ? 64 : 128;
    memcpy(padded, text, count);
    padded[count] = 0x80;
    for (int i = 0; i < 8; i++) padded[size - 1 - i] = (unsigned char)((uint64_t)count * 8 >> (8 * i));
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (size_t at = 0; at < size; at += 64) {
        uint32_t w[80];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = padded + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = turned(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t next = turned(a, 5) + f + e + k + w[i];
            e = d, d = c, c = turned(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void accept_key(const char *key, char answer[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[61];
    unsigned char digest[21] = {0};
    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 37);
    sha1((const unsigned char *)text, 60, digest);
    for (int i = 0; i < 7; i++) {
        uint32_t bits = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++) answer[4 * i + j] = letters[bits >> (18 - 6 * j) & 63];
    }
    answer[27] = '=';
    answer[28] = 0;
}

// --- client -----------------------------------------------------------------------------------------------------------------

static int connected(int port, const char *extensions) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char text[1024];
    int count = snprintf(text, sizeof text,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", port, extensions);
    send_all(fd, text, count);
    size_t used = 0;
    while (used < 4 || memcmp(text + used - 4, "\r\n\r\n", 4)) {
        // One byte at a time, so that nothing behind the head is taken.
        if (used + 1 >= sizeof text || read(fd, text + used, 1) != 1) die("handshake");
        used++;
    }
    text[used] = 0;
    if (strncmp(text, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "refused: %s\n", text);
        exit(1);
    }
    if (*extensions && !strcasestr(text, "permessage-deflate")) {
        fprintf(stderr, "no compression: %s\n", text);
        exit(1);
    }
    return fd;
}

static int masked_frame(unsigned char *out, int first, const unsigned char *payload, int count) {
    static const unsigned char key[4] = {0x12, 0x34, 0x56, 0x78};
    out[0] = (unsigned char)first;
    out[1] = (unsigned char)(0x80 | count);
    memcpy(out + 2, key, 4);
    for (int i = 0; i < count; i++) out[6 + i] = payload[i] ^ key[i % 4];
    return count + 6;
}

static int run_client(int port, int deflates, int sockets, double seconds) {
    char text[101];
    for (int i = 0; i < 100; i++) text[i] = (char)('0' + i % 10);
    unsigned char packed[200], frame[256];
    int packed_count = 100;
    memcpy(packed, text, 100);
    if (deflates) {
        z_stream stream = {0};
        if (deflateInit2(&stream, 6, Z_DEFLATED, -12, 5, Z_DEFAULT_STRATEGY) != Z_OK) die("deflateInit2");
        stream.next_in = (unsigned char *)text, stream.avail_in = 100;
        stream.next_out = packed, stream.avail_out = sizeof packed;
        deflate(&stream, Z_SYNC_FLUSH);
        packed_count = (int)(sizeof packed - stream.avail_out) - 4;
        deflateEnd(&stream);
    }
    int frame_count = masked_frame(frame, deflates ? 0xC1 : 0x81, packed, packed_count);
    peer *peers = calloc(sockets, sizeof *peers);
    int poller = epoll_create1(0);
    for (int i = 0; i < sockets; i++) {
        peers[i].fd = connected(port, deflates
            ? "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; client_max_window_bits\r\n" : "");
        peers[i].bytes = malloc(ROOM);
        inflateInit2(&peers[i].inflater, -15);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, peers[i].fd, &event);
    }
    double start = now(), end = start + seconds, before = processor();
    long echoes = 0;
    for (int i = 0; i < sockets; i++) send_all(peers[i].fd, frame, frame_count);
    while (now() < end) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 100);
        for (int i = 0; i < ready; i++) {
            peer *p = events[i].data.ptr;
            ssize_t count = read(p->fd, p->bytes + p->used, ROOM - p->used);
            if (count <= 0) die("the server ended");
            p->used += count;
            while (p->used >= 2) {
                size_t size = 2 + (p->bytes[1] & 0x7F);
                if (p->bytes[1] > 125) { fprintf(stderr, "an unexpected frame\n"); return 1; }
                if (p->used < size) break;
                if ((p->bytes[0] & 0x0F) == 1) {
                    unsigned char plain[256];
                    size_t length = size - 2;
                    if (p->bytes[0] & 0x40) {
                        static const unsigned char tail[4] = {0, 0, 0xFF, 0xFF};
                        unsigned char input[256];
                        memcpy(input, p->bytes + 2, length);
                        memcpy(input + length, tail, 4);
                        p->inflater.next_in = input, p->inflater.avail_in = (unsigned)length + 4;
                        p->inflater.next_out = plain, p->inflater.avail_out = sizeof plain;
                        inflate(&p->inflater, Z_SYNC_FLUSH);
                        length = sizeof plain - p->inflater.avail_out;
                    } else {
                        if (deflates) { fprintf(stderr, "not compressed\n"); return 1; }
                        memcpy(plain, p->bytes + 2, length);
                    }
                    if (length != 100 || memcmp(plain, text, 100)) { fprintf(stderr, "another answer\n"); return 1; }
                    echoes++;
                    send_all(p->fd, frame, frame_count);
                } else if ((p->bytes[0] & 0x0F) == 9) {
                    unsigned char pong[256];
                    send_all(p->fd, pong, masked_frame(pong, 0x8A, p->bytes + 2, (int)size - 2));
                }
                memmove(p->bytes, p->bytes + size, p->used - size);
                p->used -= size;
            }
        }
    }
    printf("{\"echoes\": %ld, \"seconds\": %f, \"cpu\": %f}\n", echoes, now() - start, processor() - before);
    return 0;
}

static int run_idle(int port, int sockets) {
    for (int i = 0; i < sockets; i++) connected(port, "");
    printf("ready\n");
    fflush(stdout);
    char end;
    while (read(0, &end, 1) > 0) {}
    return 0;
}

// --- server -----------------------------------------------------------------------------------------------------------------

static void shake_hands(peer *p) {
    p->bytes[p->used] = 0;
    char *end = strstr((char *)p->bytes, "\r\n\r\n");
    if (!end) return;
    char *key = strcasestr((char *)p->bytes, "sec-websocket-key: "), accepted[29], answer[512];
    if (!key) die("no key");
    accept_key(key + 19, accepted);
    int deflates = strcasestr((char *)p->bytes, "permessage-deflate") != NULL;
    int count = snprintf(answer, sizeof answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n", accepted,
        deflates ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                   "server_max_window_bits=12; client_max_window_bits=12\r\n" : "");
    send_all(p->fd, answer, count);
    p->used = 0;
    p->is_open = 1;
}

// Answers every whole frame in what was read; false once the peer has closed.
static int echo(peer *p) {
    unsigned char out[ROOM];
    size_t out_count = 0, at = 0;
    int goes_on = 1;
    while (p->used - at >= 6) {
        unsigned char *frame = p->bytes + at;
        size_t length = frame[1] & 0x7F;
        if (length > 125) die("an unexpected frame");
        if (p->used - at < length + 6) break;
        int opcode = frame[0] & 0x0F;
        if (opcode != 10) {
            out[out_count] = opcode == 9 ? 0x8A : frame[0];
            out[out_count + 1] = (unsigned char)length;
            for (size_t i = 0; i < length; i++) out[out_count + 2 + i] = frame[6 + i] ^ frame[2 + i % 4];
            out_count += length + 2;
        }
        if (opcode == 8) goes_on = 0;
        at += length + 6;
    }
    memmove(p->bytes, p->bytes + at, p->used - at);
    p->used -= at;
    if (out_count) send_all(p->fd, out, out_count);
    return goes_on;
}

_Noreturn static void run_server(int port) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, poller = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) die("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    while (1) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            peer *p = events[i].data.ptr;
            if (!p) {
                p = calloc(1, sizeof *p);
                p->fd = accept(listener, NULL, NULL);
                p->bytes = malloc(ROOM + 1);
                setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.ptr = p;
                epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &event);
                continue;
            }
            ssize_t count = read(p->fd, p->bytes + p->used, ROOM / 2 - p->used);
            int goes_on = count > 0;
            if (goes_on) {
                p->used += count;
                if (p->is_open) goes_on = echo(p); else shake_hands(p);
            }
            if (!goes_on) {
                close(p->fd);
                free(p->bytes);
                free(p);
            }
        }
    }
}

int main(int count, char **arguments) {
    if (count == 6 && !strcmp(arguments[1], "client"))
        return run_client(atoi(arguments[2]), !strcmp(arguments[3], "deflate"), atoi(arguments[4]), atof(arguments[5]));
    if (count == 3 && !strcmp(arguments[1], "server")) run_server(atoi(arguments[2]));
    if (count == 4 && !strcmp(arguments[1], "idle")) return run_idle(atoi(arguments[2]), atoi(arguments[3]));
    fprintf(stderr, "see the source for the arguments\n");
    return 2;
}
