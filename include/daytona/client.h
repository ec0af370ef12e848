#ifndef DAYTONA_CLIENT_H
#define DAYTONA_CLIENT_H
#include <daytona/future.h>
#endif
