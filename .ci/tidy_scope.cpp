// A clang-tidy check that finds nothing: it keeps the other checks from walking through the headers of the system. They
// look at every template of Asio, nlohmann's json and GoogleTest in every unit otherwise, only to throw the findings
// away, which is two thirds of the time. clangd narrows its checks in the same way (ASTContext::setTraversalScope).
#include <clang-tidy/ClangTidyCheck.h>
#include <clang-tidy/ClangTidyModule.h>
#include <clang-tidy/ClangTidyModuleRegistry.h>
#include <clang/AST/ASTContext.h>
#include <clang/Basic/SourceManager.h>
#include <vector>

namespace {

using clang::ast_matchers::MatchFinder;

class OwnCodeOnly : public clang::tidy::ClangTidyCheck {
  public:
    using ClangTidyCheck::ClangTidyCheck;

    // The unit itself is matched before anything in it, which is early enough to choose what is walked through.
    void registerMatchers(MatchFinder* finder) override {
        finder->addMatcher(clang::ast_matchers::translationUnitDecl().bind("unit"), this);
    }

    void check(const MatchFinder::MatchResult& result) override {
        std::vector<clang::Decl*> own;
        for (auto* declaration : result.Context->getTranslationUnitDecl()->decls()) {
            const auto place = result.SourceManager->getExpansionLoc(declaration->getLocation());
            if (!result.SourceManager->isInSystemHeader(place)) own.push_back(declaration);
        }
        result.Context->setTraversalScope(own);
    }
};

class EndoscopeModule : public clang::tidy::ClangTidyModule {
  public:
    void addCheckFactories(clang::tidy::ClangTidyCheckFactories& factories) override {
        factories.registerCheck<OwnCodeOnly>("endoscope-own-code-only");
    }
};

const clang::tidy::ClangTidyModuleRegistry::Add<EndoscopeModule> registration("endoscope-module", "");

}  // namespace
