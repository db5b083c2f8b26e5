/* What a host calls of its own hiredis; the real signatures do not matter here. */
#ifdef __cplusplus
extern "C" {
#endif
void* other_marker(void);
void* redisReaderCreateWithFunctions(void);
void* redisReaderFeed(void);
void* redisReaderGetReply(void);
void* redisReaderFree(void);
void* redisCommand(void);
void* sdsnew(void);
void* sdscatlen(void);
#ifdef __cplusplus
}
#endif
