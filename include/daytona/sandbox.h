#ifndef DAYTONA_SANDBOX_H
#define DAYTONA_SANDBOX_H
#include <daytona/future.h>
#endif
