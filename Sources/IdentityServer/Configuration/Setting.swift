import MixpanelWire

/// One scalar setting: its key, what it takes, and what it means.
package struct Setting: Sendable {
    /// The dotted key of the file; `SELFSAME_` and upper case make the variable's name.
    package let key: String
    /// The value in force where none is given, as text; nil where that depends.
    package let fallback: String?
    /// What is allowed, for messages and documents: `a number from 1 to 65535`.
    package let allowed: String
    package let meaning: String

    /// The name of the environment variable: `server.idleTimeoutSeconds` is `SELFSAME_SERVER_IDLE_TIMEOUT_SECONDS`.
    package var variable: String {
        var name = "SELFSAME_"
        var isAfterLowercase = false
        for character in key {
            // As swift-configuration splits words, so that an abbreviation is one: RESERVED_IDS.
            if isAfterLowercase, character.isUppercase { name.append("_") }
            isAfterLowercase = character.isLowercase
            name.append(contentsOf: character == "." ? "_" : character.uppercased())
        }
        return name
    }

    /// The variable that names the project that a command is about.
    package static let projectVariable = "SELFSAME_PROJECT"

    /// Every scalar setting, in the order of the documentation.
    package static let all: [Setting] = [
        Setting(
            key: "server.host", fallback: "127.0.0.1", allowed: "an address to listen on",
            meaning: "The address that the server listens on."),
        Setting(
            key: "server.port", fallback: "8080", allowed: "a number from 0 to 65535",
            meaning: "The TCP port; 0 takes a free one and prints it."),
        Setting(
            key: "server.portFile", fallback: "", allowed: "a path",
            meaning: "A file that the port is written to when the server listens, and that is gone when it has ended."),
        Setting(
            key: "server.readyFile", fallback: "", allowed: "a path",
            meaning: "A file that appears when requests are answered, and is gone when the server has ended: JSON with "
                + "url, port and pid, and in a sandbox the keys of its projects."),
        Setting(
            key: "server.hostNames", fallback: "", allowed: "host names with commas between them",
            meaning: "Names besides loopback that a request to the sandbox may be addressed to."),
        Setting(
            key: "server.regions", fallback: "", allowed: "names of regions with commas between them",
            meaning: "The regions whose projects this server may hold; all where none is given. What is sent to it for "
                + "a project of another region is refused with 403."),
        Setting(
            key: "server.regionHosts", fallback: "",
            allowed: "pairs like eu=api-eu.example.com with commas between them",
            meaning: "Under which host name the server of a region is reached. Refusals name it, and under it only "
                + "projects of that region are served."),
        Setting(
            key: "server.trustedProxies", fallback: "", allowed: "addresses or ranges like 10.0.0.0/8, with commas",
            meaning: "The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. A client's address is "
                + "written to the log at debug level, and nowhere else."),
        Setting(
            key: "server.publicURL", fallback: "", allowed: "an address like https://id.example.com",
            meaning: "What links in answers begin with. Without it that is how the request was sent: its host, and "
                + "https where TLS is spoken here or a trusted proxy says so in X-Forwarded-Proto."),
        Setting(
            key: "server.connectionLimit", fallback: "4096", allowed: "a number from 1 to 1000000",
            meaning: "Connections open at once; further ones wait to be accepted. Where the limit of open files does "
                + "not allow for as many, there are fewer."),
        Setting(
            key: "server.headSizeLimitBytes", fallback: "98304", allowed: "a number from 8192 to 1048576",
            meaning: "The size of a request line, past which the answer is 414, and of all headers of a request, past "
                + "which it is 431."),
        Setting(
            key: "server.idleTimeoutSeconds", fallback: "60", allowed: "a number from 1 to 86400",
            meaning: "A connection on which nothing moves for this long is closed."),
        Setting(
            key: "server.bodyTimeoutSeconds", fallback: "60", allowed: "a number from 1 to 86400",
            meaning: "How long a request's body may take to come; past it the answer is 408."),
        Setting(
            key: "server.writeTimeoutSeconds", fallback: "30", allowed: "a number from 1 to 3600",
            meaning: "How long a client may take nothing of what is written to its connection before that is cut off."),
        Setting(
            key: "server.shutdownTimeoutSeconds", fallback: "30", allowed: "a number from 1 to 3600",
            meaning: "How long a graceful shutdown waits for requests that have begun."),
        Setting(
            key: "server.drainSeconds", fallback: "1", allowed: "a number from 0 to 60",
            meaning: "How long a graceful shutdown leaves connections open that have no request, because one may be "
                + "on its way."),
        Setting(
            key: "server.takeoverTimeoutSeconds", fallback: "60", allowed: "a number from 0 to 3600",
            meaning: "How long a server whose socket is inherited waits for the process before it to let go of the "
                + "data directory."),
        Setting(
            key: "tls.certificate", fallback: "", allowed: "the path of a file of PEM certificates",
            meaning: "The server's certificate and those that lead to its authority, in that order. With it the server "
                + "speaks HTTPS only, HTTP/2 or HTTP/1.1. SIGHUP has it read again."),
        Setting(
            key: "tls.key", fallback: "", allowed: "the path of a PEM file",
            meaning: "The key of the certificate, without a passphrase."),
        Setting(
            key: "store.directory", fallback: "./data", allowed: "a path",
            meaning: "The data directory. A sandbox without it keeps everything in memory."),
        Setting(
            key: "store.synchronous", fallback: "full", allowed: "full or normal",
            meaning: "full: an acknowledged event survives a loss of power. normal: it survives a crash of the server "
                + "only; for data that may be thrown away."),
        Setting(
            key: "store.memoryLimitBytes", fallback: "1073741824", allowed: "a number from 1048576 to 1099511627776",
            meaning: "What a sandbox in memory may hold; past it a write is answered 503."),
        Setting(
            key: "identity.maxClusterSize", fallback: "499", allowed: "0, or a number from 2 to 1000000000",
            meaning: "The most ids in one cluster, for projects that do not say; 0 is no limit."),
        Setting(
            key: "identity.anonForm", fallback: "mixpanel", allowed: "mixpanel, uuid4 or any",
            meaning: "Which anonymous ids $identify accepts, for projects that do not say."),
        Setting(
            key: "identity.reservedIDs", fallback: ReservedIDs.standardText, allowed: "texts with commas between them",
            meaning: "Texts that $identify, $create_alias and $merge may not name, in any case, besides those that are "
                + "always reserved (null, undefined, 0 and the like): one of them would join everybody. An empty value "
                + "adds none."),
        Setting(
            key: "profiles.onMerge", fallback: "hide", allowed: "hide or fill",
            meaning: "What the profile of a cluster is. hide: the profile of the first member in canonical order that "
                + "has one, with what came to the others since they joined it. fill: each property from the first "
                + "member that has it."),
        Setting(
            key: "ingest.bodySizeLimitBytes", fallback: "10485760", allowed: "a number from 1024 to 1073741824",
            meaning: "The size of a request's body, after inflating; past it the answer is 413."),
        Setting(
            key: "ingest.recordLimit", fallback: "2000", allowed: "a number from 1 to 100000",
            meaning: "Records in one request."),
        Setting(
            key: "ingest.queueLimitBytes", fallback: "67108864", allowed: "a number from 1048576 to 17179869184",
            meaning: "Bytes of checked events that may wait to be committed; past it the answer is 429."),
        Setting(
            key: "ingest.inFlightLimitBytes", fallback: "268435456",
            allowed: "a number from 1048576 to 17179869184",
            meaning: "Bytes of request bodies and of long request heads in memory at once; past it the answer is 429."),
        Setting(
            key: "ingest.repeatMemoryLimitBytes", fallback: "67108864",
            allowed: "a number from 1048576 to 17179869184",
            meaning: "Memory for what is stored of requests that had invalid records, so that it is not stored again "
                + "where they come again; past it the oldest is forgotten."),
        Setting(
            key: "ingest.outcomeHeader", fallback: "false", allowed: "true or false",
            meaning: "Whether answers of /track carry X-Selfsame-Outcome. It tells anyone who has the public token "
                + "whether two ids are one. The sandbox always sends it."),
        Setting(
            key: "ingest.rejectUnknownTokens", fallback: "false", allowed: "true or false",
            meaning: "Whether a record whose token no project has is invalid: the answer is then 0, with token, "
                + "unknown in verbose and strict answers. Without it the record is dropped, the answer is 1, and a "
                + "warning counts it."),
        Setting(
            key: "ingest.rateLimit.eventsPerMinute", fallback: "0", allowed: "a number from 0 to 1000000000000",
            meaning: "Records that a project may store in a minute; past it the answer is 429. 0 is no limit."),
        Setting(
            key: "ingest.rateLimit.bytesPerMinute", fallback: "0", allowed: "a number from 0 to 1000000000000",
            meaning: "Bytes of checked records (names, ids, properties as minimal JSON) that a project may store in a "
                + "minute; past it the answer is 429. 0 is no limit."),
        Setting(
            key: "ingest.rateLimit.burstSeconds", fallback: "60", allowed: "a number from 1 to 3600",
            meaning: "How many seconds' worth of both rates may come at once. A request that is larger passes when "
                + "all of that has gathered, and uses it up."),
        Setting(
            key: "ingest.overloadStatus", fallback: "429", allowed: "429 or 503",
            meaning: "What /track, /engage and /groups answer where /import answers 429. The Objective-C SDK "
                + "drops its events on 429, and keeps them on 503."),
        Setting(
            key: "query.sequenceTimeoutSeconds", fallback: "5", allowed: "a number from 0 to 60",
            meaning: "How long a read with min_sequence waits before it is answered 503."),
        Setting(
            key: "query.streamLimit", fallback: "64", allowed: "a number from 1 to 10000",
            meaning: "Exports, mappings and changes that may be written at once; past it the answer is 429."),
        Setting(
            key: "query.followLimit", fallback: "100", allowed: "a number from 1 to 10000",
            meaning: "Clients that may follow /identity/changes at once; past it the answer is 429."),
        Setting(
            key: "query.heartbeatSeconds", fallback: "15", allowed: "a number from 1 to 300",
            meaning: "How often a follower gets an empty comment where there are no changes."),
        Setting(
            key: "query.writeTimeoutSeconds", fallback: "30", allowed: "a number from 1 to 3600",
            meaning: "How long a client may take nothing of an export, a mapping, profiles or changes before it is cut "
                + "off."),
        Setting(
            key: "privacy.deletionDelaySeconds", fallback: "0", allowed: "a number from 0 to 2592000",
            meaning: "How long a deletion waits before it begins; until then it can be taken back."),
        Setting(
            key: "privacy.retrievalDays", fallback: "30", allowed: "a number from 1 to 365",
            meaning: "Days after which the file of a retrieval is taken away."),
        Setting(
            key: "privacy.retrievalSizeLimitBytes", fallback: "1073741824",
            allowed: "a number from 1048576 to 1099511627776",
            meaning: "The size of a retrieval's file; a retrieval beyond it fails."),
        Setting(
            key: "privacy.taskLimit", fallback: "100", allowed: "a number from 1 to 5000",
            meaning: "Deletions and retrievals that are open, and retrievals whose files are there; past it the answer "
                + "is 429."),
        Setting(
            key: "sandbox.enabled", fallback: "false", allowed: "true or false",
            meaning: "Serves /sandbox/reset and /sandbox/clock; for tests only."),
        Setting(
            key: "sandbox.allowRemote", fallback: "false", allowed: "true or false",
            meaning: "Lets a sandbox listen on an address other than loopback."),
        Setting(
            key: "log.level", fallback: "info", allowed: "trace, debug, info, notice, warning, error or critical",
            meaning: "The least level that is logged, to standard error."),
    ]
}
