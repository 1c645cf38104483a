extension OpenAPI {
    /// Our own paths that take back what joined ids.
    static let amendmentPaths = [
        amendment(
            "unmerge", "Takes back one link, or every link of an id.",
            #"""
            "link": {"type": "integer", "minimum": 1}, "distinct_id": {"$ref": "#/components/schemas/DistinctID"},
                "keep_apart": {"enum": ["pair", "none"], "default": "pair"}, "preview": {"type": "boolean"}
            """#, #""minProperties": 1"#),
        amendment(
            "restore", "Undoes an unmerge, once.",
            #"""
            "unmerge": {"type": "integer", "minimum": 1}, "preview": {"type": "boolean"}
            """#, #""required": ["unmerge"]"#),
        blocksPath,
    ].joined(separator: ",\n")

    private static func amendment(
        _ name: String, _ summary: String, _ properties: String, _ rule: String
    ) -> String {
        #"""
        "/identity/\#(name)": {
          "post": {
            "tags": ["identity"], "operationId": "\#(name)", "summary": "\#(summary)",
            "parameters": [
              {"$ref": "#/components/parameters/preview"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "additionalProperties": false, \#(rule), "properties": {\#(properties)}}}}},
            "security": [{"basic": []}],
            "responses": {"200": \#(amended), \#(amendmentResponses)}
          }
        }
        """#
    }

    private static let blocksPath = #"""
        "/identity/blocks": {
          "get": {
            "tags": ["identity"], "operationId": "blocks", "summary": "The pairs that unmerges parted, in pages.",
            "parameters": [
              {"name": "after", "in": "query", "description": "The next of the page before.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,18}:[0-9]{1,18}$"}},
              {"$ref": "#/components/parameters/limit"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "A page of blocks.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["blocks", "next"], "additionalProperties": false, "properties": {
                  "blocks": {"type": "array", "items": {"type": "object",
                    "required": ["distinct_ids", "unmerge", "time"], "properties": {
                      "distinct_ids": {"type": "array", "items": {"type": "string"}}, "unmerge": {"type": "integer"},
                      "time": {"type": ["string", "null"]}}}},
                  "next": {"type": ["string", "null"]}}}}}},
              \#(queryResponses)
            }
          },
          "delete": {
            "tags": ["identity"], "operationId": "unblock", "summary": "Lifts the block of a pair.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "explode": true,
                "description": "Both ids, where there is no body.",
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 2,
                  "maxItems": 2}},
              {"$ref": "#/components/parameters/preview"},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"content": {"application/json": {"schema": {
              "type": "object", "additionalProperties": false, "properties": {
                "distinct_ids": {"type": "array", "items": {"$ref": "#/components/schemas/DistinctID"}, "minItems": 2,
                  "maxItems": 2},
                "preview": {"type": "boolean"}}}}}},
            "security": [{"basic": []}],
            "responses": {"200": \#(amended), \#(amendmentResponses)}
          }
        }
        """#

    private static let amended = #"""
        {"description": "What was done, or would be.", "content": {"application/json": {"schema": {
              "$ref": "#/components/schemas/Amended"}}}}
        """#

    private static let amendmentResponses = #"""
        \#(pastResponses), "409": {"$ref": "#/components/responses/Conflict"}
        """#

    /// The answers about links that were taken back, and about why two ids are one or two.
    static let amendmentSchemas = #"""
        "Clusters": {"type": "array", "items": {"type": "object", "required": ["canonical_id", "size", "members"],
            "properties": {"canonical_id": {"type": "string"}, "size": {"type": "integer", "minimum": 1},
              "members": {"type": "array", "items": {"type": "string"}}}}},
          "Pairs": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
          "Amended": {"type": "object", "additionalProperties": false,
            "required": ["sequence", "preview", "verb", "time", "links", "before", "after", "moved", "stay_together",
              "truncated"],
            "properties": {
              "sequence": {"type": "integer", "minimum": 1}, "preview": {"type": "boolean"}, "verb": {"type": "string"},
              "time": {"type": "string", "format": "date-time"},
              "links": {"type": "array", "items": {"type": "object"}},
              "before": {"$ref": "#/components/schemas/Clusters"}, "after": {"$ref": "#/components/schemas/Clusters"},
              "moved": {"type": "array", "items": {"type": "object", "required": ["distinct_id", "from", "to",
                "events"]}},
              "stay_together": {"$ref": "#/components/schemas/Pairs"},
              "blocked": {"$ref": "#/components/schemas/Pairs"}, "unblocked": {"$ref": "#/components/schemas/Pairs"},
              "truncated": {"type": "boolean"},
              "note": {"type": "string", "description": "Where the events that move could not be counted."}}},
          "Explanation": {"type": "object", "additionalProperties": false,
            "required": ["connected", "ids", "block", "hint", "sequence"], "properties": {
              "connected": {"type": "boolean"}, "ids": {"type": "array", "items": {"type": "object"}},
              "path": {"type": "array", "items": {"type": "object"}},
              "refusals": {"type": "array", "items": {"$ref": "#/components/schemas/LogEntry"}},
              "next": {"$ref": "#/components/schemas/Next"},
              "would": {"type": "array", "items": {"type": "object"}},
              "parted": {"type": "array", "items": {"type": "object",
                "required": ["sequence", "verb", "from", "to", "revoked"], "properties": {
                  "sequence": {"type": "integer"}, "verb": {"type": "string"}, "from": {"type": "string"},
                  "to": {"type": "string"}, "revoked": {"type": "integer"}}}},
              "block": {"type": ["object", "null"]}, "hint": {"type": ["string", "null"]},
              "sequence": {"type": "integer"}}}
        """#
}
