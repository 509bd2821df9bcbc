/* Answers each line with as many bytes as a board does, and does nothing else: what a request costs in C, where the
 * server is one loop of epoll with one read and one write a request. `Tests/Tools/speed` builds it and puts it under the
 * load of `chat bench board --requests --server`, whose opening it answers with what the load waits for.
 *
 *     cc -O2 -o answerer answerer.c && ./answerer PORT BYTES
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_LIMIT = 8192, CONNECTIONS = 4096, EVENTS = 256 };

struct connection {
    size_t length;
    char input[LINE_LIMIT];
};

static struct connection *connections[CONNECTIONS];
static char answer[LINE_LIMIT];
static size_t answer_length;

static int begins(const char *line, size_t length, const char *prefix) {
    return length >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

/* The post that will be asked for: its text is what the load looks for in every answer. */
static void keep(const char *line, size_t length, size_t wanted) {
    const char *key = "\"text\":\"";
    const char *text = memmem(line, length, key, strlen(key));
    if (!text) return;
    text += strlen(key);
    const char *end = memchr(text, '"', (size_t)(line + length - text));
    if (!end || (size_t)(end - text) > LINE_LIMIT / 2) return;
    answer_length = (size_t)sprintf(
        answer, "{\"event\":\"answer\",\"op\":\"read\",\"text\":\"%.*s\",\"rest\":\"", (int)(end - text), text);
    while (answer_length + 3 < wanted) answer[answer_length++] = 'x';
    memcpy(answer + answer_length, "\"}\n", 3);
    answer_length += 3;
}

/* What is answered to a line, as bytes. */
static const char *reply(const char *line, size_t length, size_t wanted, size_t *count) {
    const char *words = "{\"event\":\"answer\",\"op\":\"post\"}\n";
    if (begins(line, length, "{\"op\":\"read\"")) {
        *count = answer_length;
        return answer;
    }
    if (begins(line, length, "{\"op\":\"hello\"")) words = "{\"event\":\"ready\"}\n";
    else if (begins(line, length, "{\"op\":\"create\"")) words = "{\"event\":\"answer\",\"op\":\"create\"}\n";
    else if (begins(line, length, "{\"op\":\"join\"")) words = "{\"event\":\"answer\",\"op\":\"join\"}\n";
    else keep(line, length, wanted);
    *count = strlen(words);
    return words;
}

/* Reads what is there and answers all of it by one write; false at the end of the connection. */
static int serve(int descriptor, struct connection *connection, size_t wanted) {
    static char output[2 * LINE_LIMIT];
    size_t written = 0;
    ssize_t count =
        read(descriptor, connection->input + connection->length, sizeof connection->input - connection->length);
    if (count <= 0) return 0;
    connection->length += (size_t)count;
    char *line = connection->input, *rest = connection->input + connection->length, *end;
    while ((end = memchr(line, '\n', (size_t)(rest - line)))) {
        size_t bytes;
        const char *words = reply(line, (size_t)(end - line), wanted, &bytes);
        if (written + bytes > sizeof output) return 0;
        memcpy(output + written, words, bytes);
        written += bytes;
        line = end + 1;
    }
    connection->length = (size_t)(rest - line);
    memmove(connection->input, line, connection->length);
    return written == 0 || write(descriptor, output, written) == (ssize_t)written;
}

int main(int count, char **arguments) {
    size_t wanted = count == 3 ? (size_t)atoi(arguments[2]) : 0;
    if (wanted < 1 || wanted > LINE_LIMIT / 2) {
        fprintf(stderr, "usage: answerer PORT BYTES, with at most %d bytes of an answer\n", LINE_LIMIT / 2);
        return 64;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)atoi(arguments[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
        perror("answerer");
        return 71;
    }
    int epoll = epoll_create1(0);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &interest);
    for (;;) {
        int events = epoll_wait(epoll, ready, EVENTS, -1);
        for (int index = 0; index < events; index++) {
            int descriptor = ready[index].data.fd;
            if (descriptor == listener) {
                int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (accepted < 0) continue;
                if (accepted >= CONNECTIONS || !(connections[accepted] = calloc(1, sizeof *connections[0]))) {
                    close(accepted);
                    continue;
                }
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                interest.data.fd = accepted;
                epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &interest);
                if (write(accepted, "What is your username?\n", 23) != 23) return 74;
            } else if (!serve(descriptor, connections[descriptor], wanted)) {
                close(descriptor);
                free(connections[descriptor]);
                connections[descriptor] = NULL;
            }
        }
    }
}
