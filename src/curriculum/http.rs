//! Curriculum files over HTTP: plan, apply, export, the schema; and paths from curriculum versions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::file::Curriculum;
use super::format::{Format, read, write};
use super::plan::Plan;
use super::service::{self, Progress, Refusal};
use super::version::{Build, CurriculumVersion, build};
use super::{check, schema};
use crate::config::ContentLimits;
use crate::db::Db;
use crate::http::problem::ProblemBody;
use crate::http::{Answer, Caller, Code, Command, FieldError, Problem, Query, Upload, accept, auth, etag};
use crate::ids::LearningPathId;
use crate::learning_paths::model::LearningPath;
use crate::user_service::{Failure, Users};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Invalid(violations) => Self::invalid(violations.into_iter().map(FieldError::from).collect()),
            Refusal::Stale(plan) => {
                Self::new(Code::PlanStale, detail).with("fingerprint", &plan.fingerprint).with("summary", &plan.summary)
            }
            Refusal::InUse(_) => Self::new(Code::InUse, detail),
            Refusal::Cycle(cycle) => crate::quests::model::Refusal::Cycle(cycle).into(),
            Refusal::LintFailed(path, findings) => {
                Self::new(Code::LintFailed, detail).with("learningPath", path).with("findings", &findings)
            }
            Refusal::KeyTaken | Refusal::Exists(_) => Self::new(Code::KeyTaken, detail),
            Refusal::UnknownPath(_) => Self::invalid(vec![FieldError::new("learningPath", detail)]),
            Refusal::TooMany(..) => Self::invalid(vec![FieldError::new("", detail)]),
            Refusal::Database(error) => error.into(),
        }
    }
}

/// Reads and checks a file, in this format.
///
/// # Errors
/// 400 when it cannot be read, 422 with everything at fault.
pub fn read_file(format: Format, bytes: &[u8], limits: &ContentLimits) -> Result<Curriculum, Problem> {
    let file = read(format, bytes)?;
    let errors = check::check(&file, limits);
    if errors.is_empty() { Ok(file) } else { Err(Problem::invalid(errors)) }
}

async fn file_of(media_type: &str, bytes: Vec<u8>, limits: Arc<ContentLimits>) -> Result<Curriculum, Problem> {
    let format = Format::of_media_type(media_type).ok_or_else(|| {
        Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/yaml or application/json")
    })?;
    // A large file takes long enough to hold up other requests of this thread.
    tokio::task::spawn_blocking(move || read_file(format, &bytes, &limits)).await.map_err(|error| {
        tracing::error!(%error, "reading a curriculum file panicked");
        Problem::new(Code::Internal, "the file could not be read; the error has been logged")
    })?
}

/// See what a curriculum file would change
///
/// Creates, updates, moves and deactivations, and what stays; nothing is written. `apply` takes the
/// answer's `fingerprint`, and asks the linter, which this does not.
#[utoipa::path(post, path = "/v1/curriculum/plan", tag = "curriculum", operation_id = "plan_curriculum",
    request_body(content((Curriculum = "application/json"), (Curriculum = "application/yaml"))),
    responses((status = 200, description = "the plan", body = Plan), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn plan_curriculum(
    State(limits): State<Arc<ContentLimits>>,
    State(db): State<Db>,
    upload: Upload,
) -> Result<Response, Problem> {
    upload.caller.require_author()?;
    let file = file_of(&upload.media_type, upload.bytes, limits).await?;
    let plan = service::plan_file(&mut *db.pool.acquire().await?, &file).await?;
    Ok(etag::respond(&HeaderMap::new(), &plan))
}

/// Which plan is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApplyQuery {
    /// `fingerprint` of the plan that was looked at
    #[serde(rename = "plan")]
    fingerprint: String,
}

/// Make the catalogue what a curriculum file says
///
/// All of it or nothing, and only if file and catalogue are still those of the plan (409 `plan_stale`). Ids
/// stay by key, learners' history stays: what the file leaves out of its quests and paths is deactivated or retired.
#[utoipa::path(post, path = "/v1/curriculum/apply", tag = "curriculum", operation_id = "apply_curriculum", params(ApplyQuery),
    request_body(content((Curriculum = "application/json"), (Curriculum = "application/yaml"))),
    responses((status = 200, description = "what was done", body = Plan), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn apply_curriculum(
    State(limits): State<Arc<ContentLimits>>,
    Query(query): Query<ApplyQuery>,
    upload: Upload,
) -> Result<Response, Problem> {
    upload.caller.require_author()?;
    let Upload { origin, transaction, media_type, bytes, .. } = upload;
    let file = file_of(&media_type, bytes, limits).await?;
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let expected = Some(query.fingerprint.as_str());
                let done = service::apply_file(connection, &origin, &file, expected, Progress::NONE).await?;
                Ok(Answer::ok(&done))
            })
        })
        .await
}

/// What to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Keys of learning paths, comma-separated; left out, everything
    #[param(example = "c-programming")]
    learning_path: Option<String>,
}

/// Export the catalogue as a curriculum file
///
/// In YAML by `Accept: application/yaml`, else in JSON. Of single learning paths comes all that they need
/// to be whole in an empty catalogue. The same content is the same file, byte by byte.
#[utoipa::path(get, path = "/v1/curriculum/export", tag = "curriculum", operation_id = "export_curriculum", params(ExportQuery),
    responses((status = 200, description = "the file", content((Curriculum = "application/json"), (Curriculum = "application/yaml"))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused")))]
pub async fn export_curriculum(
    caller: Caller,
    State(db): State<Db>,
    State(limits): State<Arc<ContentLimits>>,
    headers: HeaderMap,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    caller.require_author()?;
    let keys: Vec<String> = query
        .learning_path
        .iter()
        .flat_map(|keys| keys.split(','))
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty())
        .collect();
    let file = service::export(&mut *db.pool.acquire().await?, &keys, limits.max_curriculum_quests).await?;
    let [json, yaml] = [Format::Json, Format::Yaml].map(Format::media_type);
    let format = if accept::favourite(&headers, [json, yaml]) == yaml { Format::Yaml } else { Format::Json };
    let mut response = etag::respond_as(&headers, format.media_type(), write(format, &file).into_bytes());
    let name = if format == Format::Yaml { "curriculum.yaml" } else { "curriculum.json" };
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The JSON Schema of curriculum files
///
/// Editors complete and check files by it.
#[utoipa::path(get, path = "/schemas/curriculum.json", tag = "curriculum", operation_id = "get_curriculum_schema", security(()),
    responses((status = 200, description = "JSON Schema 2020-12", body = Object, content_type = "application/schema+json")))]
pub async fn get_curriculum_schema() -> Response {
    let body = serde_json::to_vec_pretty(&schema::schema()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/schema+json")], body).into_response()
}

const fn sessions_per_week() -> u32 {
    super::version::SESSIONS_PER_WEEK
}

/// Which curriculum version to make a learning path of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"curriculumVersionId": "0b7e4c1a-2f64-4c57-9d0e-6a1f2f0c9b11", "sessionsPerWeek": 6}))]
pub struct FromCurriculum {
    /// Of the User Service
    pub curriculum_version_id: Uuid,
    /// Sessions of a syllabus that make one weekly step, 1 to 20
    #[serde(default = "sessions_per_week")]
    #[schema(default = 6, minimum = 1, maximum = 20)]
    pub sessions_per_week: u32,
}

/// Make a draft path of a curriculum version
///
/// A chapter per semester, a quest per subject with its prerequisites, weekly steps where the version has a
/// syllabus. The quests are drafts as well: publish with `activateQuests`. What a prerequisite's words mean and
/// no quest was found for is kept in `unresolvedPrerequisites` of the quest, and the linter warns of it.
#[utoipa::path(post, path = "/v1/learning-paths/from-curriculum", tag = "curriculum", operation_id = "create_learning_path_from_curriculum", request_body = FromCurriculum,
    responses((status = 201, description = "the draft", body = LearningPath, headers(("Location" = String))), (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "refused"), (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "the User Service is away")))]
pub async fn create_learning_path_from_curriculum(
    State(limits): State<Arc<ContentLimits>>,
    State(users): State<Users>,
    headers: HeaderMap,
    command: Command<FromCurriculum>,
) -> Result<Response, Problem> {
    let Command { caller, origin, body, transaction, .. } = command;
    caller.require_author()?;
    let id = body.curriculum_version_id;
    let how = Build { curriculum_version_id: Some(id), sessions_per_week: body.sessions_per_week };
    let how = how.check().map_err(|violation| Problem::invalid(vec![violation.into()]))?;
    let away = |detail: String| Problem::new(Code::UserServiceUnavailable, detail).retry_after(5);
    let Some(users) = &users.0 else { return Err(away("USER_SERVICE_URL is not set".to_owned())) };
    let token = auth::bearer(&headers).unwrap_or_default();
    let version = users.curriculum_version(id, token, caller.now).await.map_err(|failure| match failure {
        Failure::Status(401 | 403) => {
            Problem::new(Code::Forbidden, "the User Service does not show this curriculum version to you")
        }
        failure => away(failure.to_string()),
    })?;
    let unfit = |detail: String| Problem::invalid(vec![FieldError::new("/curriculumVersionId", detail)]);
    let version = version.ok_or_else(|| unfit("the User Service has no such curriculum version".to_owned()))?;
    let version = CurriculumVersion::read(version).map_err(|why| unfit(format!("cannot be read: {why}")))?;
    let file = build(&version, how).map_err(|violation| Problem::invalid(vec![violation.into()]))?;
    let errors = check::check(&file, &limits);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    transaction
        .run(move |connection| {
            Box::pin(async move {
                let path = service::create_from(connection, &origin, &file, Progress::NONE).await?;
                let path: LearningPath =
                    crate::learning_paths::service::get_path(connection, LearningPathId(path), None).await?;
                Ok(Answer::created(&format!("/v1/learning-paths/{}", path.id), &path))
            })
        })
        .await
}
