extension OpenAPI {
    /// Mixpanel's paths that need the project's secret or a service account.
    static let serverPaths = #"""
        "/import": {
          "get": {
            "tags": ["server"], "operationId": "importByQuery", "summary": "Import one record, given in the query.",
            "parameters": [
              {"$ref": "#/components/parameters/data"}, {"$ref": "#/components/parameters/strict"},
              {"$ref": "#/components/parameters/verbose"}, {"$ref": "#/components/parameters/project_id"}
            ],
            "security": [{"basic": []}, {"token": []}],
            "responses": {\#(importResponses)}
          },
          "post": {
            "tags": ["server"], "operationId": "import",
              "summary": "Import events and identity events, $merge among them.",
            "parameters": [
              {"$ref": "#/components/parameters/strict"}, {"$ref": "#/components/parameters/verbose"},
              {"$ref": "#/components/parameters/project_id"}
            ],
            "requestBody": {"content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/Events"}},
              "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}},
              "text/plain": {"schema": {"type": "string", "description": "JSON, or a JSON object a line."}}
            }},
            "security": [{"basic": []}, {"token": []}],
            "responses": {\#(importResponses)}
          }
        },
        "/api/2.0/export": {
          "get": {
            "tags": ["server"], "operationId": "export",
              "summary": "The raw events of some days, a JSON object a line.",
            "parameters": [
              {"name": "from_date", "in": "query", "required": true, "schema": {"type": "string", "format": "date"}},
              {"name": "to_date", "in": "query", "required": true, "schema": {"type": "string", "format": "date"}},
              {"name": "event", "in": "query", "schema": {"type": "string"},
                "description": "A JSON array of event names.", "example": "[\"Signed Up\"]"},
              {"$ref": "#/components/parameters/where"},
              {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100000}},
              {"name": "time_in_ms", "in": "query", "schema": {"type": "boolean"}},
              {"$ref": "#/components/parameters/as_of"}, {"$ref": "#/components/parameters/project_id"},
              {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The events.", "content": {"text/plain": {"schema": {"type": "string"}}}},
              \#(pastResponses)
            }
          }
        },
        \#(profileQueryPath("/api/2.0/engage", "profiles")),
        \#(profileQueryPath("/api/query/engage", "queryProfiles")),
        "/api/app/me": {
          "get": {
            "tags": ["server"], "operationId": "me",
              "summary": "Whose credential this is, and which projects it opens.",
            "parameters": [{"$ref": "#/components/parameters/project_id"}],
            "security": [{"basic": []}],
            "responses": {
              "200": {"description": "The account.", "content": {"application/json": {"schema": {
                "type": "object", "required": ["status", "results"],
                "properties": {"status": {"const": "ok"}, "results": {"type": "object"}}}}}},
              \#(queryResponses)
            }
          }
        }
        """#

    /// The query for profiles, which stands at two paths.
    private static func profileQueryPath(_ path: String, _ name: String) -> String {
        #"""
        "\#(path)": {
          "get": {
            "tags": ["server"], "operationId": "\#(name)", "summary": "The profiles, one of each cluster, in pages.",
            "parameters": [
              {"name": "distinct_id", "in": "query", "schema": {"type": "string"}},
              {"name": "distinct_ids", "in": "query", "schema": {"type": "string"},
                "description": "A JSON array of ids.", "example": "[\"u\"]"},
              {"name": "group_key", "in": "query", "schema": {"type": "string"},
                "description": "With group_id: the profile of that group, and nothing else."},
              {"name": "group_id", "in": "query", "schema": {"type": "string"}},
              {"$ref": "#/components/parameters/where"},
              {"name": "output_properties", "in": "query", "schema": {"type": "string"},
                "description": "A JSON array of names.", "example": "[\"name\"]"},
              {"name": "session_id", "in": "query", "schema": {"type": "string"}},
              {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 1000000}},
              {"name": "page_size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
              {"name": "selector", "in": "query", "schema": {"type": "string"},
                "description": "A condition, read where there is no where."},
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "security": [{"basic": []}],
            "responses": {"200": {"$ref": "#/components/responses/Profiles"}, \#(queryResponses)}
          },
          "post": {
            "tags": ["server"], "operationId": "\#(name)ByForm", "summary": "The same, asked for by a form or by JSON.",
            "parameters": [
              {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
            ],
            "requestBody": {"content": {
              "application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {
                "distinct_id": {"type": "string"}, "distinct_ids": {"type": "string"}, "where": {"type": "string"},
                "output_properties": {"type": "string"}, "session_id": {"type": "string"}, "page": {"type": "integer"}
              }}},
              "application/json": {"schema": {"type": "object", "properties": {
                "distinct_id": {"type": "string"}, "where": {"type": "string"},
                "distinct_ids": {"type": "array", "items": {"type": "string"}},
                "output_properties": {"type": "array", "items": {"type": "string"}},
                "session_id": {"type": "string"}, "page": {"type": "integer"}
              }}}}},
            "security": [{"basic": []}],
            "responses": {"200": {"$ref": "#/components/responses/Profiles"}, \#(queryResponses)}
          }
        }
        """#
    }

    private static let importResponses = #"""
        "200": {"$ref": "#/components/responses/Verdict"},
              "400": {"description": "Records were refused, and the sound ones stored; or the body was unreadable.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/StrictFailure"}}}},
              "401": {"$ref": "#/components/responses/Unauthorized"},
                "403": {"$ref": "#/components/responses/Forbidden"},
              "408": {"$ref": "#/components/responses/TooSlow"}, "413": {"$ref": "#/components/responses/TooLarge"},
              "429": {"$ref": "#/components/responses/TooMany"}, "500": {"$ref": "#/components/responses/Failed"},
              "503": {"$ref": "#/components/responses/Unavailable"}
        """#

    /// The same of what can be asked about the past, or about what may not be there.
    static let pastResponses = queryResponses + ##", "404": {"$ref": "#/components/responses/NotFound"}"##

    /// The answers, but for success, of everything that reads.
    static let queryResponses = #"""
        "400": {"$ref": "#/components/responses/BadRequest"}, "401": {"$ref": "#/components/responses/Unauthorized"},
              "403": {"$ref": "#/components/responses/Forbidden"}, "408": {"$ref": "#/components/responses/TooSlow"},
              "413": {"$ref": "#/components/responses/TooLarge"}, "429": {"$ref": "#/components/responses/TooMany"},
              "500": {"$ref": "#/components/responses/Failed"}, "503": {"$ref": "#/components/responses/Unavailable"}
        """#
}
