extension OpenAPI {
    /// What data connectors ask beside events and profiles; each at the paths of Mixpanel's older and newer query API.
    static let connectorPaths = [
        both("cohorts/list", "cohorts", "The cohorts, of which there are none.", emptyList),
        both("funnels/list", "funnels", "The funnels, of which there are none.", emptyList),
        both(
            "annotations", "annotations", "The annotations, of which there are none.",
            #"{"type": "object", "required": ["annotations"], "properties": {"annotations": {"type": "array"}}}"#),
        path(
            "/api/app/projects/{project}/annotations", "projectAnnotations",
            "The annotations, of which there are none.",
            #"{"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}"#,
            parameters: #"{"name": "project", "in": "path", "required": true, "schema": {"type": "integer"}}"#),
        both(
            "engage/properties", "profileProperties", "Which properties profiles have, with counts and types.",
            #"""
            {"type": "object", "required": ["results", "status"], "properties": {"status": {"const": "ok"},
              "results": {"type": "object", "additionalProperties": {"type": "object", "required": ["count", "type"],
                "properties": {"count": {"type": "integer"},
                  "type": {"enum": ["string", "number", "boolean", "datetime", "list", "object"]}}}}}}
            """#, parameters: nameLimit),
        both(
            "events/properties/top", "eventProperties", "Which properties events have, with counts.",
            #"""
            {"type": "object", "additionalProperties": {"type": "object", "required": ["count"],
              "properties": {"count": {"type": "integer"}}}}
            """#,
            parameters: nameLimit + #"""
                , {"name": "event", "in": "query", "schema": {"type": "string"},
                  "description": "A name, or a JSON array of names."}
                """#),
    ].joined(separator: ",\n")

    private static let emptyList = #"{"type": "array", "maxItems": 0}"#

    private static let nameLimit = #"""
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 10000}}
        """#

    private static func both(
        _ name: String, _ operation: String, _ summary: String, _ schema: String, parameters: String = ""
    ) -> String {
        path("/api/2.0/\(name)", operation, summary, schema, parameters: parameters) + ",\n"
            + path("/api/query/\(name)", "query\(operation)", summary, schema, parameters: parameters)
    }

    private static func path(
        _ path: String, _ operation: String, _ summary: String, _ schema: String, parameters: String
    ) -> String {
        let named = parameters.isEmpty ? "" : parameters + ","
        func method(_ name: String, _ operation: String) -> String {
            #"""
            "\#(name)": {
              "tags": ["server"], "operationId": "\#(operation)", "summary": "\#(summary)",
              "parameters": [\#(named)
                {"$ref": "#/components/parameters/project_id"}, {"$ref": "#/components/parameters/min_sequence"}
              ],
              "security": [{"basic": []}],
              "responses": {
                "200": {"description": "What there is.", "headers": {"X-Selfsame-Sampled": {
                  "description": "Of how many the counts are, where that is not all.", "schema": {"type": "integer"}}},
                  "content": {"application/json": {"schema": \#(schema)}}},
                \#(queryResponses)
              }
            }
            """#
        }
        return "\"\(path)\": {\n" + method("get", operation) + ",\n" + method("post", operation + "ByForm") + "\n}"
    }
}
