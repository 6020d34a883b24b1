//! The route table and the OpenAPI document: the one-minute map of the API.

use std::sync::OnceLock;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::http as admin;
use crate::analytics::http::{self as analytics, Creator};
use crate::analytics::tables::{PathTable, QuestTable};
use crate::app::App;
use crate::assessments::http::{authoring as assessments, grading, peer, regrade, tries};
use crate::asyncapi::http as contracts;
use crate::attempts::http::{self as attempts, reviews, steps as attempt_steps};
use crate::curriculum::http as curriculum;
use crate::enrollments::http as enrollments;
use crate::exports::http as exports;
use crate::feedback::http as feedback;
use crate::http::health;
use crate::integrations::{http as integrations, learners as progress};
use crate::learners::http as learners;
use crate::learning_paths::http::{chapters, insights, paths, quests as path_quests};
use crate::live::http as live;
use crate::me::http as me;
use crate::openapi;
use crate::quests::http::{quests, resources, sets, steps};
use crate::recommendations::http as recommendations;
use crate::search::http as search;
use crate::skill_tags::http as skill_tags;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quests Service",
        version = "1",
        description = "Quests, learners' progress on them, and the rewards it brings.\n\nAuthorize with a bearer token; \
                       `make run` prints three. Errors are problem details (RFC 9457) with a stable `code`. Lists are \
                       keyset-paged. Every POST takes an `Idempotency-Key`, every change of a resource an `If-Match`.",
    ),
    tags(
        (name = "quests", description = "The catalogue (seed: `quests`, `quest_prerequisites`)"),
        (name = "steps", description = "What a quest consists of (seed: `quest_steps`)"),
        (name = "resources", description = "What helps with a quest (seed: `quest_resources`)"),
        (name = "assessments", description = "What is tried and graded (seed: `quest_assessments`, `quest_submissions`)"),
        (name = "submissions", description = "Tries of assessments, and their grades (seed: `quest_submissions`)"),
        (name = "peer-reviews", description = "Work of other learners to review"),
        (name = "learning-paths", description = "Quests in an order (seed: `learning_paths`, `learning_path_quests`)"),
        (name = "chapters", description = "Groups of a path's quests, with a schedule (seed: `quest_chapters`)"),
        (name = "curriculum", description = "Quests and learning paths as files"),
        (name = "attempts", description = "A learner's way through a quest (seed: `user_quest_attempts`, `user_quest_step_progress`)"),
        (name = "reviews", description = "Handed-in steps that a person looks at"),
        (name = "integrations", description = "Results from outside, for services"),
        (name = "enrollments", description = "Learners in learning paths (seed: `user_learning_path_progress`)"),
        (name = "search", description = "Quests by words and by meaning"),
        (name = "recommendations", description = "What to do next, and why"),
        (name = "me", description = "The caller"),
        (name = "skill-tags", description = "What quests' skill tags mean to the User Service"),
        (name = "feedback", description = "What learners say of quests"),
        (name = "analytics", description = "What became of the attempts and enrolments of a period, for authors (seed: `quest_analytics`)"),
        (name = "live", description = "Own events as they happen"),
        (name = "learners", description = "What belongs to a learner, as a whole; progress of learners, for other services"),
        (name = "admin", description = "Event log, replays, audit log, erasure; for admins"),
        (name = "contracts", description = "Messages on RabbitMQ: what goes out and what comes in; no token"),
        (name = "operations", description = "For operators; no token"),
    ),
    // What only parameters name.
    components(schemas(quests::Me, crate::quests::model::Sort, Creator, QuestTable, PathTable)),
    security(("bearer" = []))
)]
struct Document;

/// All routes, and their document: made once, whatever number of routers this process starts.
pub fn routes() -> (Router<App>, &'static serde_json::Value) {
    static MADE: OnceLock<(Router<App>, serde_json::Value)> = OnceLock::new();
    let (router, document) = MADE.get_or_init(|| {
        let (router, document) = documented().split_for_parts();
        (router, openapi::finish(&document))
    });
    (router.clone(), document)
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(quests::list_quests, quests::create_quest))
        .routes(routes!(quests::get_quest, quests::update_quest, quests::delete_quest))
        .routes(routes!(quests::clone_quest))
        .routes(routes!(search::search_quests))
        .routes(routes!(search::list_similar_quests))
        .routes(routes!(recommendations::list_recommendations))
        .routes(routes!(enrollments::get_eligibility))
        .routes(routes!(feedback::list_feedback, feedback::give_feedback))
        .routes(routes!(feedback::resolve_feedback))
        .routes(routes!(sets::list_prerequisites, sets::set_prerequisites))
        .routes(routes!(sets::get_skill_rewards, sets::set_skill_rewards))
        .routes(routes!(steps::list_steps, steps::create_step))
        .routes(routes!(steps::order_steps))
        .routes(routes!(steps::get_step, steps::update_step, steps::delete_step))
        .routes(routes!(steps::retire_step))
        .routes(routes!(resources::list_resources, resources::create_resource))
        .routes(routes!(resources::order_resources))
        .routes(routes!(resources::get_resource, resources::update_resource, resources::delete_resource))
        .routes(routes!(assessments::list_assessments, assessments::create_assessment))
        .routes(routes!(assessments::get_assessment, assessments::update_assessment, assessments::delete_assessment))
        .routes(routes!(assessments::retire_assessment))
        .routes(routes!(assessments::preview_assessment))
        .routes(routes!(paths::list_learning_paths, paths::create_learning_path))
        .routes(routes!(insights::lint_learning_path))
        .routes(routes!(insights::simulate_learning_path))
        .routes(routes!(insights::get_learning_path_graph))
        .routes(routes!(paths::get_learning_path, paths::update_learning_path, paths::delete_learning_path))
        .routes(routes!(paths::publish_learning_path))
        .routes(routes!(paths::unpublish_learning_path))
        .routes(routes!(paths::clone_learning_path))
        .routes(routes!(path_quests::list_path_quests, path_quests::set_path_quests))
        .routes(routes!(chapters::list_chapters, chapters::create_chapter))
        .routes(routes!(chapters::order_chapters))
        .routes(routes!(chapters::get_chapter, chapters::update_chapter, chapters::delete_chapter))
        .routes(routes!(curriculum::plan_curriculum))
        .routes(routes!(curriculum::apply_curriculum))
        .routes(routes!(curriculum::export_curriculum))
        .routes(routes!(curriculum::get_curriculum_schema))
        .routes(routes!(curriculum::create_learning_path_from_curriculum))
        .routes(routes!(attempts::start_attempt))
        .routes(routes!(attempts::list_attempts))
        .routes(routes!(attempts::get_attempt, attempts::update_attempt))
        .routes(routes!(attempts::pause_attempt))
        .routes(routes!(attempts::resume_attempt))
        .routes(routes!(attempts::abandon_attempt))
        .routes(routes!(attempt_steps::start_step))
        .routes(routes!(attempt_steps::skip_step))
        .routes(routes!(attempt_steps::complete_step))
        .routes(routes!(reviews::list_step_reviews))
        .routes(routes!(reviews::get_step_review, reviews::review_step))
        .routes(routes!(reviews::allow_extra_step_tries))
        .routes(routes!(integrations::receive_coding_result))
        .routes(routes!(integrations::receive_meeting_result))
        .routes(routes!(progress::list_learner_attempts))
        .routes(routes!(progress::list_learner_enrollments))
        .routes(routes!(progress::get_learners_progress))
        .routes(routes!(live::stream_events))
        .routes(routes!(live::create_stream_ticket))
        .routes(routes!(tries::start_assessment))
        .routes(routes!(tries::save_draft))
        .routes(routes!(tries::create_submission, tries::list_submissions))
        .routes(routes!(grading::list_queue))
        .routes(routes!(grading::get_submission))
        .routes(routes!(grading::grade_submission))
        .routes(routes!(grading::allow_extra_tries))
        .routes(routes!(regrade::regrade_assessment))
        .routes(routes!(regrade::get_regrade))
        .routes(routes!(peer::list_peer_reviews))
        .routes(routes!(peer::get_peer_review, peer::write_peer_review))
        .routes(routes!(enrollments::enrol, enrollments::leave))
        .routes(routes!(enrollments::pause_enrollment))
        .routes(routes!(enrollments::resume_enrollment))
        .routes(routes!(enrollments::list_enrollments))
        .routes(routes!(enrollments::get_my_learning_path))
        .routes(routes!(enrollments::list_learners))
        .routes(routes!(enrollments::create_unlock_override))
        .routes(routes!(analytics::get_quest_analytics))
        .routes(routes!(analytics::get_learning_path_analytics))
        .routes(routes!(analytics::list_attention))
        .routes(routes!(me::get_me))
        .routes(routes!(skill_tags::list_skill_tags))
        .routes(routes!(exports::export_my_data))
        .routes(routes!(learners::erase_learner))
        .routes(routes!(admin::list_events))
        .routes(routes!(admin::replay_events))
        .routes(routes!(admin::get_replay))
        .routes(routes!(admin::get_outbox))
        .routes(routes!(admin::unpark_event))
        .routes(routes!(admin::list_audit))
        .routes(routes!(contracts::get_asyncapi))
        .routes(routes!(contracts::get_event_schema))
        .routes(routes!(contracts::show_events))
        .routes(routes!(health::get_health))
        .routes(routes!(health::get_readiness))
        .routes(routes!(health::get_metrics))
}
