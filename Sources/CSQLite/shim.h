// The system's SQLite (Debian and Ubuntu: libsqlite3-dev).
#ifndef CHAT_CSQLITE_H
#define CHAT_CSQLITE_H

#include <sqlite3.h>

#endif
