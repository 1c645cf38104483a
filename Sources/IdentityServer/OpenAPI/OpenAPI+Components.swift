extension OpenAPI {
    /// Parameters and headers that several endpoints have.
    static let parameters = #"""
        "parameters": {
          "data": {"name": "data", "in": "query", "schema": {"type": "string"},
            "description": "The records as JSON, base64 of JSON, or URL-safe base64 of JSON."},
          "verbose": {"name": "verbose", "in": "query", "schema": {"enum": ["0", "1", "2"]},
            "description": "1, or any number above 0, asks for a JSON object instead of a digit."},
          "strict": {"name": "strict", "in": "query", "schema": {"enum": ["0", "1"]},
            "description": "1 asks for a verdict on each record."},
          "img": {"name": "img", "in": "query", "schema": {"enum": ["0", "1"]}, "description": "1 asks for an image."},
          "ip": {"name": "ip", "in": "query", "schema": {"enum": ["0", "1"]},
            "description": "Taken, and without effect."},
          "callback": {"name": "callback", "in": "query", "schema": {"type": "string"},
            "description": "A function that the answer, a script, calls.", "example": "mixpanel._jsc[1]"},
          "where": {"name": "where", "in": "query", "schema": {"type": "string"},
            "description": "An expression over properties.", "example": "properties[\"plan\"] == \"free\""},
          "token": {"name": "token", "in": "query", "schema": {"$ref": "#/components/schemas/Token"}},
          "project_id": {"name": "project_id", "in": "query", "schema": {"type": "integer"},
            "description": "The project; needed with a service account."},
          "min_sequence": {"name": "min_sequence", "in": "query", "schema": {"type": "integer", "minimum": 0},
            "description": "Wait until the answer can see this sequence."},
          "as_of": {"name": "as_of", "in": "query", "schema": {"type": "string"}, "example": "0",
            "description": "Who was who then: a sequence, or a time as 2026-01-31T12:00:00Z."},
          "preview": {"name": "preview", "in": "query", "schema": {"enum": ["true", "false", "1", "0"]},
            "description": "true shows what would happen, and changes nothing; as the field of the body."},
          "after": {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0},
            "description": "The next of the page before."},
          "clusterCursor": {"name": "after", "in": "query",
            "schema": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,17}:[0-9]{1,18})$"},
            "description": "The next of the page before."},
          "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
          "cursor": {"name": "after", "in": "query", "example": "0",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}(:[0-9]{1,18})?$"},
            "description": "A cursor: a sequence, or sequence:ordinal, as answers give it."},
          "follow": {"name": "follow", "in": "query", "schema": {"enum": ["0", "1"], "default": "0"},
            "description": "1 for server-sent events without an end; not with limit."},
          "trackingID": {"name": "trackingID", "in": "path", "required": true,
            "schema": {"type": "string", "pattern": "^[0-9a-f-]{1,64}$"}}
        },
        "headers": {
          "Sequence": {"description": "The last sequence that is visible in this answer, or in any read after it.",
            "schema": {"type": "integer"}},
          "Cursor": {"description": "The after of the next increment.", "schema": {"type": "string"}},
          "Outcome": {"description": "How many identity events merged, changed nothing, or were refused.",
            "schema": {"type": "string"}},
          "RetryAfter": {"description": "Seconds, always a whole number.", "schema": {"type": "integer"}}
        }
        """#

    /// Answers that several endpoints have.
    static let responses = #"""
        "responses": {
          "Verdict": {
            "description": "What the request came to: a digit, a JSON object, an image or a script, as it asked.",
            "headers": {
              "X-Selfsame-Sequence": {"$ref": "#/components/headers/Sequence"},
              "X-Selfsame-Outcome": {"$ref": "#/components/headers/Outcome"}
            },
            "content": {
              "text/plain": {"schema": {"enum": ["0", "1"]}},
              "application/json": {"schema": {"oneOf": [
                {"$ref": "#/components/schemas/Verbose"}, {"$ref": "#/components/schemas/StrictSuccess"},
                {"$ref": "#/components/schemas/StrictFailure"}]}},
              "image/gif": {"schema": {"type": "string", "format": "binary"}},
              "text/javascript": {"schema": {"type": "string"}}
            }
          },
          "Resolved": {"description": "The canonical ids.", "content": {"application/json": {"schema": {
            "type": "object", "required": ["results", "sequence"], "additionalProperties": false, "properties": {
              "results": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                "required": ["distinct_id", "canonical_id", "cluster_size", "known"], "properties": {
                  "distinct_id": {"type": "string"}, "canonical_id": {"type": "string"},
                  "cluster_size": {"type": "integer", "minimum": 1}, "known": {"type": "boolean"}}}},
              "sequence": {"type": "integer"}}}}}},
          "Profiles": {"description": "A page of profiles.", "content": {"application/json": {"schema": {
            "type": "object", "required": ["page", "page_size", "session_id", "status", "total", "results"],
            "properties": {
              "page": {"type": "integer"}, "page_size": {"type": "integer"}, "session_id": {"type": "string"},
              "status": {"const": "ok"}, "total": {"type": "integer"},
              "results": {"type": "array", "items": {"type": "object", "required": ["$properties"], "properties": {
                "$distinct_id": {"type": "string"}, "$group_key": {"type": "string"}, "$group_id": {"type": "string"},
                "$properties": {"type": "object"}}}}}}}}},
          \#(failures)
        }
        """#

    /// Answers in the two shapes that errors have: our own, and that of /import.
    private static let failures = [
        failure("BadRequest", "What is wrong with the request, and what is allowed."),
        failure("Unauthorized", "The credential is missing or wrong."),
        failure("Forbidden", "The credential is right, and may not do this."),
        failure("NotFound", "There is no such thing."),
        failure("Conflict", "It was done already, or cannot be done any more."),
        failure("TooSlow", "The body did not come in time."),
        failure("TooLarge", "The body is too large, or has too many records."),
        failure("TooMany", "Too much at once: come back later.", retries: true),
        failure("Failed", "The server failed; its log says why.", retries: true),
        failure("Unavailable", "The server cannot do it now: come back later.", retries: true),
    ].joined(separator: ",\n")

    private static func failure(_ name: String, _ description: String, retries: Bool = false) -> String {
        let header = ##""headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}, "##
        return #"""
              "\#(name)": {"description": "\#(description)", \#(retries ? header : "")"content": {"application/json": {
                "schema": {"oneOf": [{"$ref": "#/components/schemas/Error"}, {"$ref": "#/components/schemas/Coded"}]}}}}
            """#
    }

    /// The values.
    static let schemas = #"""
        "schemas": {
          "Token": {"type": "string", "description": "The project's public token."},
          "DistinctID": {"type": "string", "minLength": 1, "maxLength": 255},
          "Event": {
            "type": "object", "required": ["event", "properties"], "properties": {
              "event": {"type": "string", "minLength": 1, "maxLength": 255},
              "properties": {"type": "object", "required": ["token"], "properties": {
                "token": {"$ref": "#/components/schemas/Token"}, "distinct_id": {"type": ["string", "number"]},
                "time": {"type": "number", "description": "Seconds or milliseconds since 1970."},
                "$insert_id": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"},
                "$identified_id": {"type": "string"}, "$anon_id": {"type": "string"},
                "$anon_distinct_id": {"type": "string"}, "alias": {"type": "string"},
                "$distinct_ids": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
                "$device_id": {"type": "string"}, "$user_id": {"type": "string"}}}}},
          "IdentityEvent": {"allOf": [{"$ref": "#/components/schemas/Event"}, {"type": "object", "properties": {
            "event": {"enum": ["$identify", "$create_alias", "$merge"]}}}]},
          "Events": {"oneOf": [
            {"$ref": "#/components/schemas/Event"},
            {"type": "array", "maxItems": 2000, "items": {"anyOf": [
              {"$ref": "#/components/schemas/IdentityEvent"}, {"$ref": "#/components/schemas/Event"}]}}]},
          "Form": {"type": "object", "properties": {
            "data": {"type": "string",
              "description": "The records as JSON, base64 of JSON, or URL-safe base64 of JSON."},
            "verbose": {"enum": ["0", "1", "2"]}, "strict": {"enum": ["0", "1"]}, "ip": {"enum": ["0", "1"]},
            "api_key": {"type": "string", "description": "Taken, and without effect."}}},
          "Update": {"type": "object", "properties": {
            "$token": {"$ref": "#/components/schemas/Token"}, "$time": {"type": "number"}, "$ip": {},
            "$ignore_time": {}, "$ignore_alias": {}, "$set": {"type": "object"}, "$set_once": {"type": "object"},
            "$add": {"type": "object", "additionalProperties": {"type": "number"}}, "$append": {"type": "object"},
            "$union": {"type": "object", "additionalProperties": {"type": "array"}}, "$remove": {"type": "object"},
            "$unset": {"type": "array", "items": {"type": "string"}}, "$merge": {"type": "object"}, "$delete": {}}},
          "ProfileUpdate": {"allOf": [{"$ref": "#/components/schemas/Update"}, {"type": "object",
            "required": ["$token", "$distinct_id"], "properties": {"$distinct_id": {"type": ["string", "number"]}}}]},
          "ProfileUpdates": {"oneOf": [{"$ref": "#/components/schemas/ProfileUpdate"}, {"type": "array",
            "maxItems": 2000,
            "items": {"$ref": "#/components/schemas/ProfileUpdate"}}]},
          "GroupUpdate": {"allOf": [{"$ref": "#/components/schemas/Update"}, {"type": "object",
            "required": ["$token", "$group_key", "$group_id"], "properties": {
              "$group_key": {"type": "string", "minLength": 1}, "$group_id": {"type": ["string", "number"]}}}]},
          "GroupUpdates": {"oneOf": [{"$ref": "#/components/schemas/GroupUpdate"}, {"type": "array", "maxItems": 2000,
            "items": {"$ref": "#/components/schemas/GroupUpdate"}}]},
          "Verbose": {"type": "object", "required": ["error", "status"], "additionalProperties": false, "properties": {
            "error": {"type": ["string", "null"]}, "status": {"enum": [0, 1]}}},
          "StrictSuccess": {"type": "object", "required": ["code", "num_records_imported", "status"],
            "additionalProperties": false, "properties": {
              "code": {"const": 200}, "num_records_imported": {"type": "integer", "minimum": 0},
                "status": {"const": "OK"}}},
          "StrictFailure": {"type": "object", "additionalProperties": false,
            "required": ["code", "error", "failed_records", "num_records_imported", "status"], "properties": {
              "code": {"const": 400}, "error": {"type": "string"}, "status": {"const": "Bad Request"},
              "num_records_imported": {"type": "integer", "minimum": 0},
              "failed_records": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                "required": ["index", "insert_id", "$insert_id", "field", "message"], "properties": {
                  "index": {"type": "integer", "minimum": 0}, "insert_id": {"type": "string"},
                  "$insert_id": {"type": "string"},
                  "field": {"type": "string"}, "message": {"type": "string"}}}}}},
          "Error": {"type": "object", "required": ["error", "status"], "additionalProperties": false, "properties": {
            "error": {"type": "string"}, "status": {"const": "error"}}},
          "Coded": {"type": "object", "required": ["code", "error", "status"], "additionalProperties": false,
            "properties": {
              "code": {"type": "integer"}, "error": {"type": "string"}, "status": {"type": ["string", "integer"],
                "description": "A text; on client endpoints with verbose=1 the number 0."}}},
          "Done": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
          "PrivacyTask": {"type": "object", "required": ["status"], "properties": {
            "tracking_id": {"type": "string"}, "task_id": {"type": "string"}, "result": {"type": "string"},
            "status": {"enum": ["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED", "NOT_FOUND"]},
            "project_id": {"type": "integer"}, "compliance_type": {"type": "string"},
            "distinct_ids": {"type": "array", "items": {"type": "string"}}}},
          "Next": {"type": ["integer", "null"],
            "description": "What after must be for the next page; null on the last."},
          \#(identitySchemas),
          \#(rejectionSchemas),
          \#(amendmentSchemas)
        }
        """#

    private static let identitySchemas = #"""
        "Cluster": {"type": "object", "additionalProperties": false,
            "required": ["canonical_id", "size", "known", "members", "links", "next"], "properties": {
              "canonical_id": {"type": "string"}, "size": {"type": "integer", "minimum": 1},
                "known": {"type": "boolean"},
              "members": {"type": "array", "items": {"type": "object",
                "required": ["distinct_id", "roles", "first_seen", "first_sequence"], "properties": {
                  "distinct_id": {"type": "string"},
                  "roles": {"type": "array", "items": {"enum": ["identified", "alias", "anonymous"]}},
                  "first_seen": {"type": ["string", "null"], "format": "date-time"},
                  "first_sequence": {"type": ["integer", "null"]}}}},
              "links": {"type": "array", "items": {"type": "object",
                "required": ["sequence", "verb", "from", "to", "time", "revoked"], "properties": {
                  "sequence": {"type": "integer"}, "verb": {"type": "string"}, "from": {"type": "string"},
                  "to": {"type": "string"}, "time": {"type": ["string", "null"]}, "revoked": {"type": ["integer",
                    "null"]}}}},
              "next": {"type": ["string", "null"],
                "description": "What after must be for the next page; null on the last."}}},
          "ClusterSummary": {"type": "object", "required": ["canonical_id", "size"], "additionalProperties": false,
            "properties": {"canonical_id": {"type": "string"}, "size": {"type": "integer", "minimum": 1}}},
          "Preview": {"type": "object", "additionalProperties": false,
            "required": ["sequence", "records", "counts", "results", "changed_clusters", "clusters",
              "largest_cluster", "joined_identified", "truncated"],
            "properties": {
              "sequence": {"type": "integer", "minimum": 0}, "records": {"type": "integer", "minimum": 1},
              "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0},
                "required": ["merged", "unchanged", "refused", "conflicts", "rejected", "plain"]},
              "results": {"type": "array", "maxItems": 10000, "items": {"type": "object",
                "required": ["index", "outcome"], "properties": {
                  "index": {"type": "integer", "minimum": 0}, "event": {"type": "string"},
                  "verb": {"type": "string"}, "ids": {"type": "object"},
                  "outcome": {"enum": ["merged", "unchanged", "refused", "conflict", "rejected"]},
                  "cluster_size": {"type": ["integer", "null"]}, "failure_reason": {"type": ["string", "null"]},
                  "failure_description": {"type": ["string", "null"]}, "hint": {"type": ["string", "null"]},
                  "insert_id": {"type": "string"}, "$insert_id": {"type": "string"}, "field": {"type": "string"},
                  "message": {"type": "string"}}}},
              "changed_clusters": {"type": "integer", "minimum": 0},
              "clusters": {"type": "array", "maxItems": 1000, "items": {"type": "object",
                "required": ["before", "after", "members", "truncated"], "additionalProperties": false,
                "properties": {
                  "before": {"type": "array", "items": {"$ref": "#/components/schemas/ClusterSummary"}},
                  "after": {"$ref": "#/components/schemas/ClusterSummary"},
                  "members": {"type": "array", "maxItems": 100, "items": {"type": "string"}},
                  "truncated": {"type": "boolean"}}}},
              "largest_cluster": {"oneOf": [{"$ref": "#/components/schemas/ClusterSummary"}, {"type": "null"}]},
              "joined_identified": {"type": "array", "maxItems": 1000, "items": {"type": "object",
                "required": ["index", "verb", "ids", "canonical_ids"], "additionalProperties": false, "properties": {
                  "index": {"type": "integer", "minimum": 0}, "verb": {"type": "string"}, "ids": {"type": "object"},
                  "canonical_ids": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string"}}}}},
              "truncated": {"type": "boolean"}}},
          "LogEntry": {"type": "object", "required": ["sequence", "outcome"], "properties": {
            "sequence": {"type": "integer", "minimum": 1}, "time": {"type": ["string", "null"]},
            "verb": {"type": "string"}, "ids": {"type": "object"}, "outcome": {"type": "string"},
            "failure_reason": {"type": ["string", "null"]}, "failure_description": {"type": ["string", "null"]},
            "hint": {"type": ["string", "null"]}, "source": {"type": "object"}}}
        """#
}
