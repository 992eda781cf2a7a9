/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, as served at /openapi.json; flat bodies, as tools of agents want them.
 * tests/e2e/api.py holds real answers against it. */
#include "api.h"

#define PROBLEM(text)                                                                              \
	"{\"description\":\"" text                                                                 \
	"\",\"content\":{\"application/problem+json\":{\"schema\":{\"$ref\":"                      \
	"\"#/components/schemas/Problem\"}}}}"
#define PROBLEMS                                                                                                                                  \
	"\"400\":" PROBLEM("The request is not well formed") ",\"401\":" PROBLEM(                                                                 \
		"The key is "                                                                                                                     \
		"missing, "                                                                                                                       \
		"wrong, expired "                                                                                                                 \
		"or revoked") ","                                                                                                                 \
			      "\"403\":" PROBLEM("The role may not do this") ",\"413\":" PROBLEM("The request is too large") ",\"422\":" PROBLEM( \
				      "The request cannot be carried out") ",\"429\":" PROBLEM("T"                                                \
											       "o"                                                \
											       "o"                                                \
											       " "                                                \
											       "m"                                                \
											       "a"                                                \
											       "n"                                                \
											       "y"                                                \
											       " "                                                \
											       "r"                                                \
											       "e"                                                \
											       "q"                                                \
											       "u"                                                \
											       "e"                                                \
											       "s"                                                \
											       "t"                                                \
											       "s"                                                \
											       " "                                                \
											       "w"                                                \
											       "i"                                                \
											       "t"                                                \
											       "h"                                                \
											       " "                                                \
											       "t"                                                \
											       "h"                                                \
											       "i"                                                \
											       "s"                                                \
											       " "                                                \
											       "k"                                                \
											       "e"                                                \
											       "y") ",\"503\":" PROBLEM("Try again later")
#define ANSWER(schema)                                                                             \
	"\"200\":{\"description\":\"The answer\",\"content\":{\"application/json\":{\"schema\":"   \
	"{\"$ref\":\"#/components/schemas/" schema "\"}}}}"
#define SECTION(row)                                                                               \
	"{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"additionalProperties\":"  \
	"false,\"properties\":{" row "}}}"
#define FIGURES "\"orders\":{\"type\":\"integer\"},\"revenue\":{\"type\":[\"number\",\"null\"]}"

const char
	api_openapi
		[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Dripline "
		     "API\",\"version\":\"1.0.0\","
		     "\"description\":\"Scores, dashboards and guarded SQL over the warehouse. "
		     "Every request "
		     "acts as the role of its key, and is "
		     "audited.\"},\"servers\":[{\"url\":\"/\"}],"
		     "\"security\":[{\"key\":[]}],\"paths\":{"
		     "\"/query\":{\"post\":{\"operationId\":\"query\",\"summary\":\"Run one "
		     "SELECT over the "
		     "tables of your role\",\"requestBody\":{\"required\":true,\"content\":{"
		     "\"application/"
		     "json\":{\"schema\":{\"type\":\"object\",\"required\":[\"sql\"],"
		     "\"additionalProperties\":false,\"properties\":{\"sql\":{\"type\":"
		     "\"string\","
		     "\"description\":\"One SELECT in DuckDB's "
		     "SQL\"},\"limit\":{\"type\":\"integer\","
		     "\"minimum\":1,\"description\":\"Rows at "
		     "most\"}}}}}},\"responses\":{" ANSWER("QueryResult") "," PROBLEMS
									  ",\"504\":" PROBLEM(
										  "The query "
										  "ran for too "
										  "long") "}}},"
											  "\"/"
											  "ml/"
											  "fraud"
											  "\":{"
											  "\"pos"
											  "t\":{"
											  "\"ope"
											  "ratio"
											  "nId\""
											  ":\"sc"
											  "ore_"
											  "fraud"
											  "\","
											  "\"sum"
											  "mary"
											  "\":"
											  "\"Sco"
											  "re "
											  "one "
											  "payme"
											  "nt\","
											  "\"req"
											  "uestB"
											  "ody\""
											  ":{"
											  "\"req"
											  "uired"
											  "\":"
											  "true,"
											  "\"con"
											  "tent"
											  "\":{"
											  "\"app"
											  "licat"
											  "ion/"
											  "json"
											  "\":{"
											  "\"sch"
											  "ema\""
											  ":{"
											  "\"typ"
											  "e\":"
											  "\"obj"
											  "ect\""
											  ",\"mi"
											  "nProp"
											  "ertie"
											  "s\":"
											  "1,"
											  "\"des"
											  "cript"
											  "ion\""
											  ":\"Fe"
											  "ature"
											  "s of "
											  "the "
											  "payme"
											  "nt "
											  "by "
											  "name;"
											  " a "
											  "missi"
											  "ng "
											  "one "
											  "count"
											  "s as "
											  "unkno"
											  "wn\","
											  "\"add"
											  "ition"
											  "alPro"
											  "perti"
											  "es\":"
											  "{\"ty"
											  "pe\":"
											  "[\"nu"
											  "mber"
											  "\","
											  "\"str"
											  "ing\""
											  ","
											  "\"boo"
											  "lean"
											  "\","
											  "\"nul"
											  "l\"]}"
											  "}}}},"
											  "\"res"
											  "ponse"
											  "s\":"
											  "{" ANSWER("FraudScore") "," PROBLEMS
														   "}}},"
														   "\"/ml/churn/{user_no}\":{\"get\":{\"operationId\":\"get_churn\",\"summary\":\"Churn risk of "
														   "one customer\",\"parameters\":[{\"name\":\"user_no\",\"in\":\"path\",\"required\":true,"
														   "\"schema\":{\"type\":\"string\",\"maxLength\":64}}],\"responses\":{" ANSWER("Churn") ",\"404\":" PROBLEM("There is no such customer") "," PROBLEMS
																															  "}}},"
																															  "\"/analytics/dashboard\":{\"get\":{\"operationId\":\"get_dashboard\",\"summary\":\"Revenue "
																															  "of the last days by day, store and channel\",\"parameters\":[{\"name\":\"days\",\"in\":"
																															  "\"query\",\"required\":false,\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":366,"
																															  "\"default\":30}}],\"responses\":{" ANSWER(
																																  "Dashboard") "," PROBLEMS
																																	       "}}}},"
																																	       "\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
																																	       "\"schemas\":{"
																																	       "\"Problem\":{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\","
																																	       "\"code\"],\"additionalProperties\":false,\"properties\":{\"type\":{\"type\":\"string\"},"
																																	       "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":"
																																	       "\"string\"},\"code\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"}}},"
																																	       "\"QueryResult\":{\"type\":\"object\",\"required\":[\"columns\",\"rows\",\"row_count\","
																																	       "\"truncated\",\"elapsed_ms\"],\"additionalProperties\":false,\"properties\":{\"columns\":{"
																																	       "\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"type\"],"
																																	       "\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{"
																																	       "\"type\":\"string\"}}}},\"rows\":{\"type\":\"array\",\"items\":{\"type\":\"array\"}},"
																																	       "\"row_count\":{\"type\":\"integer\"},\"truncated\":{\"type\":\"boolean\"},\"elapsed_ms\":{"
																																	       "\"type\":\"number\"}}},"
																																	       "\"FraudScore\":{\"type\":\"object\",\"required\":[\"risk_score\",\"threshold\",\"is_fraud\","
																																	       "\"model\",\"version\"],\"additionalProperties\":false,\"properties\":{\"risk_score\":{"
																																	       "\"type\":\"number\"},\"threshold\":{\"type\":[\"number\",\"null\"]},\"is_fraud\":{\"type\":"
																																	       "\"boolean\"},\"model\":{\"type\":\"string\"},\"version\":{\"type\":\"integer\"}}},"
																																	       "\"Churn\":{\"type\":\"object\",\"required\":[\"user_no\",\"churn_risk_score\"],"
																																	       "\"additionalProperties\":false,\"properties\":{\"user_no\":{\"type\":\"string\"},"
																																	       "\"churn_risk_score\":{\"type\":[\"number\",\"null\"]},\"segment\":{\"type\":[\"string\","
																																	       "\"null\"]},\"last_order_date\":{\"type\":[\"string\",\"null\"]},\"total_orders\":{\"type\":"
																																	       "[\"integer\",\"null\"]}}},"
																																	       "\"Dashboard\":{\"type\":\"object\",\"required\":[\"days\",\"totals\",\"revenue_by_day\","
																																	       "\"revenue_by_store\",\"revenue_by_channel\"],\"additionalProperties\":false,\"properties\":{"
																																	       "\"days\":{\"type\":\"integer\"},\"totals\":" SECTION(FIGURES ",\"average_order\":{\"type\":[\"number\",\"null\"]},\"customers\":{\"type\":"
																																									     "\"integer\"}") ",\"revenue_by_day\":" SECTION("\"day\":{\"type\":\"string\"}," FIGURES) ",\"revenue_by_store\":" SECTION("\"store\":{\"type\":[\"string\",\"null\"]}," FIGURES) ",\"revenue_by_channel\":" SECTION("\"channel\":{\"type\":[\"string\",\"null\"]}," FIGURES) "}}}}}\n";
